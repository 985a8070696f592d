	.text
	.globl	dia_bfloat16_tile               # -- Begin function dia_bfloat16_tile
	.p2align	4, 0x90
	.type	dia_bfloat16_tile,@function
dia_bfloat16_tile:                      # @dia_bfloat16_tile
# %bb.0:
	vmovups	(%rdx), %zmm21
	vmovups	64(%rdx), %zmm20
	vmovups	128(%rdx), %zmm19
	vmovups	192(%rdx), %zmm18
	vmovups	256(%rdx), %zmm17
	vmovups	320(%rdx), %zmm16
	vmovups	384(%rdx), %zmm15
	vmovups	448(%rdx), %zmm14
	vmovups	512(%rdx), %zmm13
	vmovups	576(%rdx), %zmm12
	vmovups	640(%rdx), %zmm11
	vmovups	704(%rdx), %zmm10
	vmovups	768(%rdx), %zmm9
	vmovups	832(%rdx), %zmm8
	vmovups	896(%rdx), %zmm7
	vmovups	960(%rdx), %zmm6
	vmovups	1024(%rdx), %zmm5
	vmovups	1088(%rdx), %zmm4
	vmovups	1152(%rdx), %zmm3
	vmovups	1216(%rdx), %zmm2
	vmovups	1280(%rdx), %zmm1
	vmovups	1344(%rdx), %zmm0
	vmovups	1408(%rdx), %zmm23
	vmovups	1472(%rdx), %zmm22
	testq	%rcx, %rcx
	jle	.LBB0_3
# %bb.1:
	movq	%rcx, %rax
	shlq	$4, %rax
	leaq	(%rax,%rax,2), %rax
	addq	$64, %rsi
	.p2align	4, 0x90
.LBB0_2:                                # =>This Inner Loop Header: Depth=1
	vmovups	-64(%rsi), %zmm25
	vmovups	(%rsi), %zmm24
	prefetcht0	(%rdi,%rax)
	vbroadcastss	(%rdi), %zmm26
	vdpbf16ps	%zmm26, %zmm25, %zmm21
	vdpbf16ps	%zmm26, %zmm24, %zmm20
	vbroadcastss	4(%rdi), %zmm26
	vdpbf16ps	%zmm26, %zmm25, %zmm19
	vbroadcastss	8(%rdi), %zmm27
	vdpbf16ps	%zmm26, %zmm24, %zmm18
	vdpbf16ps	%zmm27, %zmm25, %zmm17
	vdpbf16ps	%zmm27, %zmm24, %zmm16
	vbroadcastss	12(%rdi), %zmm26
	vdpbf16ps	%zmm26, %zmm25, %zmm15
	vdpbf16ps	%zmm26, %zmm24, %zmm14
	vbroadcastss	16(%rdi), %zmm26
	vdpbf16ps	%zmm26, %zmm25, %zmm13
	vbroadcastss	20(%rdi), %zmm27
	vdpbf16ps	%zmm26, %zmm24, %zmm12
	vdpbf16ps	%zmm27, %zmm25, %zmm11
	vdpbf16ps	%zmm27, %zmm24, %zmm10
	vbroadcastss	24(%rdi), %zmm26
	vdpbf16ps	%zmm26, %zmm25, %zmm9
	vdpbf16ps	%zmm26, %zmm24, %zmm8
	vbroadcastss	28(%rdi), %zmm26
	vdpbf16ps	%zmm26, %zmm25, %zmm7
	vbroadcastss	32(%rdi), %zmm27
	vdpbf16ps	%zmm26, %zmm24, %zmm6
	vdpbf16ps	%zmm27, %zmm25, %zmm5
	vdpbf16ps	%zmm27, %zmm24, %zmm4
	vbroadcastss	36(%rdi), %zmm26
	vdpbf16ps	%zmm26, %zmm25, %zmm3
	vdpbf16ps	%zmm26, %zmm24, %zmm2
	vbroadcastss	40(%rdi), %zmm26
	vdpbf16ps	%zmm26, %zmm25, %zmm1
	vbroadcastss	44(%rdi), %zmm27
	vdpbf16ps	%zmm26, %zmm24, %zmm0
	vdpbf16ps	%zmm27, %zmm25, %zmm23
	vdpbf16ps	%zmm27, %zmm24, %zmm22
	addq	$48, %rdi
	subq	$-128, %rsi
	decq	%rcx
	jne	.LBB0_2
.LBB0_3:
	vmovups	%zmm21, (%rdx)
	vmovups	%zmm20, 64(%rdx)
	vmovups	%zmm19, 128(%rdx)
	vmovups	%zmm18, 192(%rdx)
	vmovups	%zmm17, 256(%rdx)
	vmovups	%zmm16, 320(%rdx)
	vmovups	%zmm15, 384(%rdx)
	vmovups	%zmm14, 448(%rdx)
	vmovups	%zmm13, 512(%rdx)
	vmovups	%zmm12, 576(%rdx)
	vmovups	%zmm11, 640(%rdx)
	vmovups	%zmm10, 704(%rdx)
	vmovups	%zmm9, 768(%rdx)
	vmovups	%zmm8, 832(%rdx)
	vmovups	%zmm7, 896(%rdx)
	vmovups	%zmm6, 960(%rdx)
	vmovups	%zmm5, 1024(%rdx)
	vmovups	%zmm4, 1088(%rdx)
	vmovups	%zmm3, 1152(%rdx)
	vmovups	%zmm2, 1216(%rdx)
	vmovups	%zmm1, 1280(%rdx)
	vmovups	%zmm0, 1344(%rdx)
	vmovups	%zmm23, 1408(%rdx)
	vmovups	%zmm22, 1472(%rdx)
	vzeroupper
	retq
.Lfunc_end0:
	.size	dia_bfloat16_tile, .Lfunc_end0-dia_bfloat16_tile
                                        # -- End function
	.section	".note.GNU-stack","",@progbits
