// Package tensor holds row-major float32 matrices, the parameters of a model, and the matrix product
//
//	C[m×n] = A[m×k] · B[k×n]
//
// on which nearly all of BERT's time goes. A product is cut into jobs, each a block of rows of C times a range of its
// columns; one worker sums one job alone, so results have the same bits for any number of workers:
//
//	for each job (row block × column range):
//	    for pc in k step kc:                     // a block of the summed axis
//	        copy the row block of A              // the worker's own buffer
//	        for jc in column range step nc:      // this part of B is in the L2 cache; the tiles fetch the next one
//	            for each MR rows i:              // this part of A stays in the L1 cache
//	                for each panel j of B:
//	                    tile(i, j)               // package asm: C tile += A rows · B panel, in registers
//	    epilogue on the finished strip of C      // activation, residual, layer normalisation
//
// Read tensor.go and param.go for the types, packed.go for the order of B, matmul.go for the loops above, forms.go for the
// products of training, rows.go and reduce.go for other work on rows, workers.go for the threads; operand.go, packed_bf16.go,
// packed_int8.go and matmul_low.go for products in low precision.
package tensor
