"""Writes a file as a C array: embed.py INPUT OUTPUT NAME."""
import sys

with open(sys.argv[1], "rb") as source:
    data = source.read()
with open(sys.argv[2], "w", encoding="ascii") as out:
    out.write(f"extern const unsigned char {sys.argv[3]}[];\nextern const unsigned int {sys.argv[3]}_length;\n")
    out.write(f"const unsigned int {sys.argv[3]}_length = {len(data)};\nconst unsigned char {sys.argv[3]}[] = {{\n")
    for start in range(0, len(data), 16):
        out.write("\t" + " ".join(f"{byte}," for byte in data[start:start + 16]) + "\n")
    out.write("\t0\n};\n")
