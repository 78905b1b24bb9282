package asm_test

import (
	"fmt"

	"bertlabel/asm"
)

// One row of C += A·B by the narrowest tile of the best set, with B packed into one panel.
func ExampleTile() {
	set := asm.Best
	a := []float32{1, 2, 3} // [1, 3]
	bt := []float32{        // Bᵀ, [2, 3]
		1, 0, 1,
		0, 1, 1,
	}
	panel := make([]float32, 3*set.NR) // B, [3, NR]: two columns, then zeros
	set.PackCols(panel, bt, 3, 3, 2)

	c, bias := make([]float32, set.NR), make([]float32, set.NR)
	c[0], bias[1] = 100, 10
	row := set.Tiles[len(set.Tiles)-1] // 1×NR
	row.GEMM(3, a, 3, 1, panel, 0, c, set.NR, c, set.NR, bias, panel, 0)
	fmt.Println(c[:3])
	// Output: [104 15 0]
}
