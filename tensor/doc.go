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
// Read tensor.go and param.go for the types, packed.go for the order of B, matmul.go for the loops above, prefetch.go for what the tiles
// fetch, forms.go for the products of training, rows.go and reduce.go for other work on rows, workers.go for the threads; operand.go,
// packed_bf16.go, packed_int8.go and matmul_low.go for products in low precision.
//
// # Five idioms
//
// They recur in layers, bert and train, and are explained only here.
//
//   - The job. A parallel loop is a struct with a method Run(worker, turn), a [Job], and [Workers.Do] calls it for each turn. A closure
//     would read better, but it would be allocated anew for each product of each pass, with all that it refers to; so the struct lies
//     in the workspace, is filled before the loop and set to zero after it. That is what "keep nothing alive" says: a workspace that
//     waits for its next pass must not hold on to the tensors of the last one. Turns are independent of each other and never share a sum.
//   - The workspace. Layers are read-only in Forward, and what a pass writes besides its result lies in a [Workspace] that the caller
//     hands in and reuses: in the steady state a pass allocates nothing. One goroutine, one workspace; the model serves them all.
//   - The epilogue. What follows a product, bias, residual connection, activation, normalisation, is an [Epilogue] of the product and
//     runs on each strip of C while it is still in the cache. So a line of layers with one MatMul may hold a whole formula.
//   - Packed and row-major. B is read many times, so it is copied once into the order in which the tiles read it ([Packed]); A and C
//     are row-major [Tensor]s. A loaded model has its kernels packed only; in training they change with every step and are row-major
//     ([Param].Value), and the product packs them on its way (MatMulNN).
//   - The place. What is random in training, the masks of dropout, is a function of the seed, the site and the place of a row (which
//     text of the endless stream, which token: layers.Place), not of the order of calls. So it depends on no batch and no thread, and
//     the backward pass computes a mask again instead of keeping it.
//
// Arithmetic is called through a variable: asm.Best.LayerNorm is the kernel of this CPU. "Go to definition" ends at the field; what it
// computes is layerNormGeneric in package asm, and so for every kernel: Best.NAME does what nameGeneric says.
package tensor
