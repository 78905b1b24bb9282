// Vector instructions that Go's assembler lacks, by register number; operands in its order, sources before the destination.
// Encodings: Arm Architecture Reference Manual for A-profile, C7.2 (DDI 0487). Every use is covered by a numeric test.

// V[d] = 0
#define VZERO(d) WORD $(0x4F000400 | (d))

// V[d].S4 += V[n].S4 · V[m].S4, rounded once: FMLA (vector). The assembler has it, but not by number.
#define VFMLA4S(m, n, d) WORD $(0x4E20CC00 | (m)<<16 | (n)<<5 | (d))

// V[d].S4 += V[n].S4 · V[m].S[e], rounded once: FMLA (by element). The index e is H:L, bits 11 and 21.
#define VFMLAS(m, e, n, d) WORD $(0x4F801000 | ((e)&1)<<21 | ((e)>>1)<<11 | (m)<<16 | (n)<<5 | (d))

// V[d].S4 = V[n].S4 + V[m].S4: FADD (vector)
#define VFADD4S(m, n, d) WORD $(0x4E20D400 | (m)<<16 | (n)<<5 | (d))
