#include "textflag.h"

// All four go through the rows in the same way. SI is the query, DI the row at
// hand, R8 the stride, R9 the rows left, R10 and R11 where the sums go. Within a
// row BX and AX move along query and row; CX counts.
//
// Four sums run side by side, since each addition waits for the one before it.
// Behind the last whole register a mask keeps what is not the row's from being
// read.

// Eight lanes of ones, then eight of zeros: tail lanes from (8 - tail) on.
DATA masks<>+0(SB)/8, $0xffffffffffffffff
DATA masks<>+8(SB)/8, $0xffffffffffffffff
DATA masks<>+16(SB)/8, $0xffffffffffffffff
DATA masks<>+24(SB)/8, $0xffffffffffffffff
DATA masks<>+32(SB)/8, $0
DATA masks<>+40(SB)/8, $0
DATA masks<>+48(SB)/8, $0
DATA masks<>+56(SB)/8, $0
GLOBL masks<>(SB), RODATA|NOPTR, $64

// K1 masks the elements behind the last whole register of 16.
#define TAIL512 \
	MOVQ DX, CX      \
	ANDQ $15, CX     \
	MOVL $1, AX      \
	SHLL CX, AX      \
	DECL AX          \
	KMOVW AX, K1

// Y15 masks the elements behind the last whole register of 8.
#define TAIL256 \
	MOVQ DX, CX          \
	ANDQ $7, CX          \
	LEAQ masks<>+32(SB), AX \
	SHLQ $2, CX          \
	SUBQ CX, AX          \
	VMOVUPS (AX), Y15

// The sum of the lanes of Y(a), whose lower half is X(a), into X(a).
#define LANES256(ya, xa, xt) \
	VEXTRACTF128 $1, ya, xt \
	VADDPS  xt, xa, xa      \
	VHADDPS xa, xa, xa      \
	VHADDPS xa, xa, xa

// func squaresAVX512(query *float32, dimension int, rows *byte, stride, count int, out *float32)
TEXT ·squaresAVX512(SB), NOSPLIT, $0-48
	MOVQ query+0(FP), SI
	MOVQ dimension+8(FP), DX
	MOVQ rows+16(FP), DI
	MOVQ stride+24(FP), R8
	MOVQ count+32(FP), R9
	MOVQ out+40(FP), R10
	TAIL512

row:
	MOVQ   SI, BX
	MOVQ   DI, AX
	VPXORQ Z0, Z0, Z0
	VPXORQ Z1, Z1, Z1
	VPXORQ Z2, Z2, Z2
	VPXORQ Z3, Z3, Z3
	MOVQ   DX, CX
	SUBQ   $64, CX
	JB     few

many:
	VMOVUPS     (AX), Z4
	VMOVUPS     64(AX), Z5
	VMOVUPS     128(AX), Z6
	VMOVUPS     192(AX), Z7
	VSUBPS      (BX), Z4, Z4
	VSUBPS      64(BX), Z5, Z5
	VSUBPS      128(BX), Z6, Z6
	VSUBPS      192(BX), Z7, Z7
	VFMADD231PS Z4, Z4, Z0
	VFMADD231PS Z5, Z5, Z1
	VFMADD231PS Z6, Z6, Z2
	VFMADD231PS Z7, Z7, Z3
	ADDQ        $256, AX
	ADDQ        $256, BX
	SUBQ        $64, CX
	JAE         many

few:
	ADDQ $48, CX
	JL   tail

one:
	VMOVUPS     (AX), Z4
	VSUBPS      (BX), Z4, Z4
	VFMADD231PS Z4, Z4, Z0
	ADDQ        $64, AX
	ADDQ        $64, BX
	SUBQ        $16, CX
	JGE         one

tail:
	VMOVUPS.Z   (AX), K1, Z4
	VMOVUPS.Z   (BX), K1, Z5
	VSUBPS      Z5, Z4, Z4
	VFMADD231PS Z4, Z4, Z1

	VADDPS        Z1, Z0, Z0
	VADDPS        Z3, Z2, Z2
	VADDPS        Z2, Z0, Z0
	VEXTRACTF64X4 $1, Z0, Y1
	VADDPS        Y1, Y0, Y0
	LANES256(Y0, X0, X1)
	VMOVSS        X0, (R10)
	ADDQ          $4, R10
	ADDQ          R8, DI
	DECQ          R9
	JNZ           row
	VZEROUPPER
	RET

// func productsAVX512(query *float32, dimension int, rows *byte, stride, count int, out, norms *float32)
TEXT ·productsAVX512(SB), NOSPLIT, $0-56
	MOVQ query+0(FP), SI
	MOVQ dimension+8(FP), DX
	MOVQ rows+16(FP), DI
	MOVQ stride+24(FP), R8
	MOVQ count+32(FP), R9
	MOVQ out+40(FP), R10
	MOVQ norms+48(FP), R11
	TAIL512

row:
	MOVQ   SI, BX
	MOVQ   DI, AX
	VPXORQ Z0, Z0, Z0
	VPXORQ Z1, Z1, Z1
	VPXORQ Z2, Z2, Z2
	VPXORQ Z3, Z3, Z3
	VPXORQ Z8, Z8, Z8
	VPXORQ Z9, Z9, Z9
	VPXORQ Z10, Z10, Z10
	VPXORQ Z11, Z11, Z11
	MOVQ   DX, CX
	SUBQ   $64, CX
	JB     few

many:
	VMOVUPS     (AX), Z4
	VMOVUPS     64(AX), Z5
	VMOVUPS     128(AX), Z6
	VMOVUPS     192(AX), Z7
	VFMADD231PS (BX), Z4, Z0
	VFMADD231PS 64(BX), Z5, Z1
	VFMADD231PS 128(BX), Z6, Z2
	VFMADD231PS 192(BX), Z7, Z3
	VFMADD231PS Z4, Z4, Z8
	VFMADD231PS Z5, Z5, Z9
	VFMADD231PS Z6, Z6, Z10
	VFMADD231PS Z7, Z7, Z11
	ADDQ        $256, AX
	ADDQ        $256, BX
	SUBQ        $64, CX
	JAE         many

few:
	ADDQ $48, CX
	JL   tail

one:
	VMOVUPS     (AX), Z4
	VFMADD231PS (BX), Z4, Z0
	VFMADD231PS Z4, Z4, Z8
	ADDQ        $64, AX
	ADDQ        $64, BX
	SUBQ        $16, CX
	JGE         one

tail:
	VMOVUPS.Z   (AX), K1, Z4
	VMOVUPS.Z   (BX), K1, Z5
	VFMADD231PS Z5, Z4, Z1
	VFMADD231PS Z4, Z4, Z9

	VADDPS        Z1, Z0, Z0
	VADDPS        Z3, Z2, Z2
	VADDPS        Z9, Z8, Z8
	VADDPS        Z11, Z10, Z10
	VADDPS        Z2, Z0, Z0
	VADDPS        Z10, Z8, Z8
	VEXTRACTF64X4 $1, Z0, Y1
	VEXTRACTF64X4 $1, Z8, Y9
	VADDPS        Y1, Y0, Y0
	VADDPS        Y9, Y8, Y8
	LANES256(Y0, X0, X1)
	LANES256(Y8, X8, X9)
	VMOVSS        X0, (R10)
	VMOVSS        X8, (R11)
	ADDQ          $4, R10
	ADDQ          $4, R11
	ADDQ          R8, DI
	DECQ          R9
	JNZ           row
	VZEROUPPER
	RET

// func squaresAVX2(query *float32, dimension int, rows *byte, stride, count int, out *float32)
TEXT ·squaresAVX2(SB), NOSPLIT, $0-48
	MOVQ query+0(FP), SI
	MOVQ dimension+8(FP), DX
	MOVQ rows+16(FP), DI
	MOVQ stride+24(FP), R8
	MOVQ count+32(FP), R9
	MOVQ out+40(FP), R10
	TAIL256

row:
	MOVQ   SI, BX
	MOVQ   DI, AX
	VXORPS Y0, Y0, Y0
	VXORPS Y1, Y1, Y1
	VXORPS Y2, Y2, Y2
	VXORPS Y3, Y3, Y3
	MOVQ   DX, CX
	SUBQ   $32, CX
	JB     few

many:
	VMOVUPS     (AX), Y4
	VMOVUPS     32(AX), Y5
	VMOVUPS     64(AX), Y6
	VMOVUPS     96(AX), Y7
	VSUBPS      (BX), Y4, Y4
	VSUBPS      32(BX), Y5, Y5
	VSUBPS      64(BX), Y6, Y6
	VSUBPS      96(BX), Y7, Y7
	VFMADD231PS Y4, Y4, Y0
	VFMADD231PS Y5, Y5, Y1
	VFMADD231PS Y6, Y6, Y2
	VFMADD231PS Y7, Y7, Y3
	ADDQ        $128, AX
	ADDQ        $128, BX
	SUBQ        $32, CX
	JAE         many

few:
	ADDQ $24, CX
	JL   tail

one:
	VMOVUPS     (AX), Y4
	VSUBPS      (BX), Y4, Y4
	VFMADD231PS Y4, Y4, Y0
	ADDQ        $32, AX
	ADDQ        $32, BX
	SUBQ        $8, CX
	JGE         one

tail:
	VMASKMOVPS  (AX), Y15, Y4
	VMASKMOVPS  (BX), Y15, Y5
	VSUBPS      Y5, Y4, Y4
	VFMADD231PS Y4, Y4, Y1

	VADDPS Y1, Y0, Y0
	VADDPS Y3, Y2, Y2
	VADDPS Y2, Y0, Y0
	LANES256(Y0, X0, X1)
	VMOVSS X0, (R10)
	ADDQ   $4, R10
	ADDQ   R8, DI
	DECQ   R9
	JNZ    row
	VZEROUPPER
	RET

// func productsAVX2(query *float32, dimension int, rows *byte, stride, count int, out, norms *float32)
TEXT ·productsAVX2(SB), NOSPLIT, $0-56
	MOVQ query+0(FP), SI
	MOVQ dimension+8(FP), DX
	MOVQ rows+16(FP), DI
	MOVQ stride+24(FP), R8
	MOVQ count+32(FP), R9
	MOVQ out+40(FP), R10
	MOVQ norms+48(FP), R11
	TAIL256

row:
	MOVQ   SI, BX
	MOVQ   DI, AX
	VXORPS Y0, Y0, Y0
	VXORPS Y1, Y1, Y1
	VXORPS Y2, Y2, Y2
	VXORPS Y3, Y3, Y3
	VXORPS Y8, Y8, Y8
	VXORPS Y9, Y9, Y9
	VXORPS Y10, Y10, Y10
	VXORPS Y11, Y11, Y11
	MOVQ   DX, CX
	SUBQ   $32, CX
	JB     few

many:
	VMOVUPS     (AX), Y4
	VMOVUPS     32(AX), Y5
	VMOVUPS     64(AX), Y6
	VMOVUPS     96(AX), Y7
	VFMADD231PS (BX), Y4, Y0
	VFMADD231PS 32(BX), Y5, Y1
	VFMADD231PS 64(BX), Y6, Y2
	VFMADD231PS 96(BX), Y7, Y3
	VFMADD231PS Y4, Y4, Y8
	VFMADD231PS Y5, Y5, Y9
	VFMADD231PS Y6, Y6, Y10
	VFMADD231PS Y7, Y7, Y11
	ADDQ        $128, AX
	ADDQ        $128, BX
	SUBQ        $32, CX
	JAE         many

few:
	ADDQ $24, CX
	JL   tail

one:
	VMOVUPS     (AX), Y4
	VFMADD231PS (BX), Y4, Y0
	VFMADD231PS Y4, Y4, Y8
	ADDQ        $32, AX
	ADDQ        $32, BX
	SUBQ        $8, CX
	JGE         one

tail:
	VMASKMOVPS  (AX), Y15, Y4
	VMASKMOVPS  (BX), Y15, Y5
	VFMADD231PS Y5, Y4, Y1
	VFMADD231PS Y4, Y4, Y9

	VADDPS Y1, Y0, Y0
	VADDPS Y3, Y2, Y2
	VADDPS Y9, Y8, Y8
	VADDPS Y11, Y10, Y10
	VADDPS Y2, Y0, Y0
	VADDPS Y10, Y8, Y8
	LANES256(Y0, X0, X1)
	LANES256(Y8, X8, X9)
	VMOVSS X0, (R10)
	VMOVSS X8, (R11)
	ADDQ   $4, R10
	ADDQ   $4, R11
	ADDQ   R8, DI
	DECQ   R9
	JNZ    row
	VZEROUPPER
	RET
