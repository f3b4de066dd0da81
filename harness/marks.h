/* Marking where two lines differ. */
#ifndef HARNESS_MARKS_H
#define HARNESS_MARKS_H

struct arena;

/*
 * The text with a line put in after its second: "^" under every word of the second line that the first does not have, and where
 * words of the first are missing. Times (numbers with six decimals) are marked only when nothing else differs. The text itself
 * when it has no two lines, its second line is indented (it belongs to the first), or the two say the same.
 */
const char *mark_differences(const char *text, struct arena *arena);

#endif
