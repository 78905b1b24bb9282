//go:build !noasm && !purego

// The element-wise and row kernels of set avx512. The formulas and passes stand in elem_amd64.h and row_amd64.h, what is
// particular to the level in avx512_amd64.h; here they become functions. CPU features: AVX512F, AVX512DQ.
//
//	SI      address of x
//	DI      address of y; R8 R9 = gamma, beta
//	DX      numbers left (element-wise) or in the row; CX = numbers left; AX = bytes done; BX R10 temporary

#include "textflag.h"
#include "go_asm.h"
#include "avx512_amd64.h"
#include "elem_amd64.h"
#include "row_amd64.h"

// func expAVX512(y, x []float32)
TEXT ·expAVX512(SB), NOSPLIT, $0-48
	MAP(EXP)

// func tanhAVX512(y, x []float32)
TEXT ·tanhAVX512(SB), NOSPLIT, $0-48
	MAP(TANH)

// func sigmoidAVX512(y, x []float32)
TEXT ·sigmoidAVX512(SB), NOSPLIT, $0-48
	MAP(SIGMOID)

// func geluTanhAVX512(y, x []float32)
TEXT ·geluTanhAVX512(SB), NOSPLIT, $0-48
	MAP(GELUTANH)

// func geluErfAVX512(y, x []float32)
TEXT ·geluErfAVX512(SB), NOSPLIT, $0-48
	MAP(GELUERF)

// func softmaxAVX512(x []float32, scale float32)
TEXT ·softmaxAVX512(SB), NOSPLIT, $0-28
	MOVQ         x_base+0(FP), SI
	MOVQ         x_len+8(FP), DX
	VBROADCASTSS scale+24(FP), V5
	SOFTMAX
	VZEROUPPER
	RET

// func layerNormAVX512(y, x, gamma, beta []float32, eps float32) (mean, rstd float32)
TEXT ·layerNormAVX512(SB), NOSPLIT, $0-112
	MOVQ   y_base+0(FP), DI
	MOVQ   x_base+24(FP), SI
	MOVQ   x_len+32(FP), DX
	MOVQ   gamma_base+48(FP), R8
	MOVQ   beta_base+72(FP), R9
	LAYERNORM(eps+96(FP))
	VMOVSS X4, mean+104(FP)
	VMOVSS X6, rstd+108(FP)
	VZEROUPPER
	RET

// func dotAVX512(x, y []float32) float32
TEXT ·dotAVX512(SB), NOSPLIT, $0-52
	MOVQ   x_base+0(FP), SI
	MOVQ   x_len+8(FP), DX
	MOVQ   y_base+24(FP), DI
	DOT
	VMOVSS X8, ret+48(FP)
	VZEROUPPER
	RET

// func axpyAVX512(y []float32, a float32, x []float32)
TEXT ·axpyAVX512(SB), NOSPLIT, $0-56
	MOVQ         y_base+0(FP), DI
	VBROADCASTSS a+24(FP), V5
	MOVQ         x_base+32(FP), SI
	MOVQ         x_len+40(FP), DX
	AXPY
	VZEROUPPER
	RET

// func addAVX512(y, x []float32)
TEXT ·addAVX512(SB), NOSPLIT, $0-48
	MOVQ y_base+0(FP), DI
	MOVQ x_base+24(FP), SI
	MOVQ x_len+32(FP), DX
	ADD
	VZEROUPPER
	RET

// func sumSquaresAVX512(x []float32) float64
TEXT ·sumSquaresAVX512(SB), NOSPLIT, $0-32
	MOVQ   x_base+0(FP), SI
	MOVQ   x_len+8(FP), DX
	SUMSQUARES
	VMOVSD X8, ret+24(FP)
	VZEROUPPER
	RET

// func scaleAVX512(y []float32, a float32)
TEXT ·scaleAVX512(SB), NOSPLIT, $0-28
	MOVQ         y_base+0(FP), SI
	MOVQ         y_len+8(FP), DX
	VBROADCASTSS a+24(FP), V6
	SCALE
	VZEROUPPER
	RET

// func mulAddAVX512(y, a, x []float32)
TEXT ·mulAddAVX512(SB), NOSPLIT, $0-72
	MOVQ y_base+0(FP), DI
	MOVQ a_base+24(FP), R8
	MOVQ x_base+48(FP), SI
	MOVQ x_len+56(FP), DX
	MULADD
	VZEROUPPER
	RET

// func geluTanhBackwardAVX512(dx, dy, x []float32)
TEXT ·geluTanhBackwardAVX512(SB), NOSPLIT, $0-72
	MAPBACKWARD(GELUTANHSLOPE)

// func geluErfBackwardAVX512(dx, dy, x []float32)
TEXT ·geluErfBackwardAVX512(SB), NOSPLIT, $0-72
	MAPBACKWARD(GELUERFSLOPE)

// func softmaxBackwardAVX512(dx, p, dy []float32, scale float32)
TEXT ·softmaxBackwardAVX512(SB), NOSPLIT, $0-76
	MOVQ         p_base+24(FP), SI
	MOVQ         p_len+32(FP), DX
	MOVQ         dy_base+48(FP), DI
	VBROADCASTSS scale+72(FP), V5
	SOFTMAXBACKWARD(dx_base+0(FP))
	VZEROUPPER
	RET

// func layerNormBackwardAVX512(dx, dy, norm, gamma []float32, rstd float32)
TEXT ·layerNormBackwardAVX512(SB), NOSPLIT, $0-100
	MOVQ         dx_base+0(FP), DI
	MOVQ         dy_base+24(FP), SI
	MOVQ         dy_len+32(FP), DX
	MOVQ         norm_base+48(FP), R9
	MOVQ         gamma_base+72(FP), R8
	VBROADCASTSS rstd+96(FP), V6
	LAYERNORMBACKWARD
	VZEROUPPER
	RET

// func adamWAVX512(w, g, m, v []float32, s *AdamStep)
TEXT ·adamWAVX512(SB), NOSPLIT, $0-104
	MOVQ w_base+0(FP), DI
	MOVQ w_len+8(FP), DX
	MOVQ g_base+24(FP), SI
	MOVQ m_base+48(FP), R8
	MOVQ v_base+72(FP), R9
	MOVQ s+96(FP), R11
	ADAMW
	VZEROUPPER
	RET
