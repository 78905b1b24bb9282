package asm
