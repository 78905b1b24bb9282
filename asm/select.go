package asm

// Select makes the set called name Best, as BERTLABEL_KERNELS=name does; on error Best is generic and BestErr is set. It is
// for the first lines of a program (the flag --kernels): nothing that multiplies may run before it or beside it.
func Select(name string) error {
	Best, BestErr = choose(Sets(), name)
	return BestErr
}
