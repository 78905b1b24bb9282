//go:build !noasm && !purego

package asm

// The tiles of kernels_arm64.go for low precision, by the contracts of BF16 and Int8. A name gives the rows of a tile.

//go:noescape
func bf16x6NEON(t *TileArgs)

//go:noescape
func bf16x5NEON(t *TileArgs)

//go:noescape
func bf16x4NEON(t *TileArgs)

//go:noescape
func bf16x3NEON(t *TileArgs)

//go:noescape
func bf16x2NEON(t *TileArgs)

//go:noescape
func bf16x1NEON(t *TileArgs)

//go:noescape
func bf16x6SplitNEON(t *TileArgs)

//go:noescape
func bf16x5SplitNEON(t *TileArgs)

//go:noescape
func bf16x4SplitNEON(t *TileArgs)

//go:noescape
func bf16x3SplitNEON(t *TileArgs)

//go:noescape
func bf16x2SplitNEON(t *TileArgs)

//go:noescape
func bf16x1SplitNEON(t *TileArgs)

//go:noescape
func int8x6SDOT(t *TileArgs)

//go:noescape
func int8x5SDOT(t *TileArgs)

//go:noescape
func int8x4SDOT(t *TileArgs)

//go:noescape
func int8x3SDOT(t *TileArgs)

//go:noescape
func int8x2SDOT(t *TileArgs)

//go:noescape
func int8x1SDOT(t *TileArgs)

//go:noescape
func int8x6USMMLA(t *TileArgs)

//go:noescape
func int8x5USMMLA(t *TileArgs)

//go:noescape
func int8x4USMMLA(t *TileArgs)

//go:noescape
func int8x3USMMLA(t *TileArgs)

//go:noescape
func int8x2USMMLA(t *TileArgs)

//go:noescape
func int8x1USMMLA(t *TileArgs)

// peakBFMLAL runs rounds × 24 independent BFMLALB.
//
//go:noescape
func peakBFMLAL(rounds int)

// peakUSMMLA runs rounds × 24 independent USMMLA.
//
//go:noescape
func peakUSMMLA(rounds int)

// peakSDOT runs rounds × 24 independent SDOT.
//
//go:noescape
func peakSDOT(rounds int)
