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

// V[d].S4 = V[n].S4 − V[m].S4: FSUB
#define VFSUB4S(m, n, d) WORD $(0x4EA0D400 | (m)<<16 | (n)<<5 | (d))

// V[d].S4 = V[n].S4 · V[m].S4: FMUL
#define VFMUL4S(m, n, d) WORD $(0x6E20DC00 | (m)<<16 | (n)<<5 | (d))

// V[d].S4 = V[n].S4 / V[m].S4: FDIV
#define VFDIV4S(m, n, d) WORD $(0x6E20FC00 | (m)<<16 | (n)<<5 | (d))

// V[d].S4 = min(V[n].S4, V[m].S4), NaN if either is: FMIN
#define VFMIN4S(m, n, d) WORD $(0x4EA0F400 | (m)<<16 | (n)<<5 | (d))

// V[d].S4 = max(V[n].S4, V[m].S4), NaN if either is: FMAX
#define VFMAX4S(m, n, d) WORD $(0x4E20F400 | (m)<<16 | (n)<<5 | (d))

// V[d].S4 −= V[n].S4 · V[m].S4, rounded once: FMLS
#define VFMLS4S(m, n, d) WORD $(0x4EA0CC00 | (m)<<16 | (n)<<5 | (d))

// V[d].S4 = sums of neighbours in V[n], then in V[m]: FADDP
#define VFADDP4S(m, n, d) WORD $(0x6E20D400 | (m)<<16 | (n)<<5 | (d))

// V[d].S4 = maxima of neighbours in V[n], then in V[m]: FMAXP
#define VFMAXP4S(m, n, d) WORD $(0x6E20F400 | (m)<<16 | (n)<<5 | (d))

// V[d].S4 = ones where V[n] ≥ V[m], else zeros: FCMGE
#define VFCMGE4S(m, n, d) WORD $(0x6E20E400 | (m)<<16 | (n)<<5 | (d))

// V[d].S4 = ones where V[n] > V[m], else zeros: FCMGT
#define VFCMGT4S(m, n, d) WORD $(0x6EA0E400 | (m)<<16 | (n)<<5 | (d))

// V[d].S4 = V[n].S4 + V[m].S4, integers: ADD
#define VIADD4S(m, n, d) WORD $(0x4EA08400 | (m)<<16 | (n)<<5 | (d))

// V[d] = V[n] & V[m]: AND
#define VANDQ(m, n, d) WORD $(0x4E201C00 | (m)<<16 | (n)<<5 | (d))

// V[d] = V[n] &^ V[m]: BIC
#define VBICQ(m, n, d) WORD $(0x4E601C00 | (m)<<16 | (n)<<5 | (d))

// V[d] = V[n] in the bits that V[m] has: BIT
#define VBITQ(m, n, d) WORD $(0x6EA01C00 | (m)<<16 | (n)<<5 | (d))

// V[d] = V[n] in the bits that V[m] has not: BIF
#define VBIFQ(m, n, d) WORD $(0x6EE01C00 | (m)<<16 | (n)<<5 | (d))

// V[d].D2 = V[n].D2 + V[m].D2: FADD
#define VFADD2D(m, n, d) WORD $(0x4E60D400 | (m)<<16 | (n)<<5 | (d))

// V[d].D2 += V[n].D2 · V[m].D2, rounded once: FMLA
#define VFMLA2D(m, n, d) WORD $(0x4E60CC00 | (m)<<16 | (n)<<5 | (d))

// V[d].D2 = sum of V[n], sum of V[m]: FADDP
#define VFADDP2D(m, n, d) WORD $(0x6E60D400 | (m)<<16 | (n)<<5 | (d))

// V[d].S4 = √V[n].S4: FSQRT
#define VFSQRT4S(n, d) WORD $(0x6EA1F800 | (n)<<5 | (d))

// V[d].S4 = |V[n].S4|: FABS
#define VFABS4S(n, d) WORD $(0x4EA0F800 | (n)<<5 | (d))

// V[d].S4 = −V[n].S4: FNEG
#define VFNEG4S(n, d) WORD $(0x6EA0F800 | (n)<<5 | (d))

// V[d].S4 = V[n].S4 rounded, ties to even: FRINTN
#define VFRINTN4S(n, d) WORD $(0x4E218800 | (n)<<5 | (d))

// V[d].S4 = V[n].S4 as integers; NaN gives 0: FCVTNS
#define VFCVTNS4S(n, d) WORD $(0x4E21A800 | (n)<<5 | (d))

// V[d].S4 = V[n].S4 << 23: SHL
#define VSHL23(n, d) WORD $(0x4F375400 | (n)<<5 | (d))

// V[d].S4 = ones where the sign bit of V[n] is set, else zeros: SSHR
#define VSSHR31(n, d) WORD $(0x4F210400 | (n)<<5 | (d))

// V[d].D2 = the lower half of V[n].S4: FCVTL
#define VFCVTL(n, d) WORD $(0x0E617800 | (n)<<5 | (d))

// V[d].D2 = the upper half of V[n].S4: FCVTL2
#define VFCVTL2(n, d) WORD $(0x4E617800 | (n)<<5 | (d))

// V[d] = V[n]: ORR
#define VMOVQ(n, d) WORD $(0x4EA01C00 | (n)<<16 | (n)<<5 | (d))

// V[d] = 16 bytes at R4 + offset, a multiple of 16: LDR (immediate)
#define VLDR4(offset, d) WORD $(0x3DC00080 | (offset)<<6 | (d))

// V[d].S4 = V[n].S4 << 16: SHL
#define VSHL16(n, d) WORD $(0x4F305400 | (n)<<5 | (d))

// V[d].S4 = V[n].S4 >> 16, zeros shifted in: USHR
#define VUSHR16(n, d) WORD $(0x6F300400 | (n)<<5 | (d))

// V[d].S4 = V[n].S4 · V[m].S4, integers: MUL
#define VIMUL4S(m, n, d) WORD $(0x4EA09C00 | (m)<<16 | (n)<<5 | (d))

// V[d].S4 = V[n].S4, integers, as floats: SCVTF
#define VSCVTF4S(n, d) WORD $(0x4E21D800 | (n)<<5 | (d))

// V[d].S4 += V[n].H8 · V[m].H8, bf16, the even elements, rounded once: BFMLALB. CPU feature: BF16
#define VBFMLALB(m, n, d) WORD $(0x2EC0FC00 | (m)<<16 | (n)<<5 | (d))

// The same with the odd elements: BFMLALT
#define VBFMLALT(m, n, d) WORD $(0x6EC0FC00 | (m)<<16 | (n)<<5 | (d))

// V[d].S4 += the 2×2 sums of V[n]·V[m]ᵀ, both 2×8 bytes, V[n] unsigned, V[m] signed: USMMLA. CPU feature: I8MM
#define VUSMMLA(m, n, d) WORD $(0x4E80AC00 | (m)<<16 | (n)<<5 | (d))

// V[d].D2 = the lower halves of V[n] and V[m]: ZIP1
#define VZIP1D(m, n, d) WORD $(0x4EC03800 | (m)<<16 | (n)<<5 | (d))

// V[d].D2 = their upper halves: ZIP2
#define VZIP2D(m, n, d) WORD $(0x4EC07800 | (m)<<16 | (n)<<5 | (d))

// V[d].S4 += V[n].S4 · V[m].S4, integers: MLA
#define VIMLA4S(m, n, d) WORD $(0x4EA09400 | (m)<<16 | (n)<<5 | (d))

// V[d].S4 += sums of four products V[n].B16 · V[m].B16, both signed: SDOT. CPU feature: ASIMDDP
#define VSDOT(m, n, d) WORD $(0x4E809400 | (m)<<16 | (n)<<5 | (d))

// V[d] = the halves of V[n], exchanged: EXT
#define VEXT8(n, d) WORD $(0x6E004000 | (n)<<16 | (n)<<5 | (d))
