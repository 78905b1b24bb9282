package main

import "bertlabel/asm"

// selectKernels makes name the kernel set of this process. Without a name it stays the best that the CPU runs.
func selectKernels(name string) error {
	if name == "" || name == asm.Best.Name && asm.BestErr == nil {
		return asm.BestErr
	}
	return asm.Select(name)
}
