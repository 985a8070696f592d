// What the hardware reaches at a decoding step's products: two rows of float32 activations, split in even and odd, by bfloat16 weights in large pages;
// GB/s against reading alone, each the best of nine passes. A yardstick for `bench/run matrices`, not product code.
// gcc -O3 -march=native bf16_two_rows.c -lpthread      (256 bits; -DZ: 512 bits; -DPF=bytes of prefetch)
#include <immintrin.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <pthread.h>
#include <sys/mman.h>
typedef unsigned short u16; typedef unsigned int u32;
static double now(){struct timespec t;clock_gettime(CLOCK_MONOTONIC,&t);return t.tv_sec+t.tv_nsec*1e-9;}
#ifndef PF
#define PF 4096
#endif
enum{K=2048,N=16384,L=12};
static u16*W;static float*Y,*XE,*XO;
#ifdef Z
static void rows(int l,int a,int b){for(int n=a;n<b;n++){const u16*w=W+((size_t)l*N+n)*K;__m512 f[8];for(int i=0;i<8;i++)f[i]=_mm512_setzero_ps();const __m512i m=_mm512_set1_epi32(0xffff0000);
 for(int k=0;k<K;k+=64){_mm_prefetch((const char*)(w+k)+PF,_MM_HINT_T0);_mm_prefetch((const char*)(w+k)+PF+64,_MM_HINT_T0);
#define ST(o,i) {__m512i q=_mm512_loadu_si512(w+k+o);__m512 e=_mm512_castsi512_ps(_mm512_slli_epi32(q,16)),d=_mm512_castsi512_ps(_mm512_and_si512(q,m));int j=(k+o)/2;\
  f[i]=_mm512_fmadd_ps(e,_mm512_loadu_ps(XE+j),f[i]);f[i+1]=_mm512_fmadd_ps(d,_mm512_loadu_ps(XO+j),f[i+1]);f[i+2]=_mm512_fmadd_ps(e,_mm512_loadu_ps(XE+K/2+j),f[i+2]);f[i+3]=_mm512_fmadd_ps(d,_mm512_loadu_ps(XO+K/2+j),f[i+3]);}
  ST(0,0)ST(32,4)}
 Y[n]=_mm512_reduce_add_ps(_mm512_add_ps(_mm512_add_ps(f[0],f[1]),_mm512_add_ps(f[4],f[5])));Y[N+n]=_mm512_reduce_add_ps(_mm512_add_ps(_mm512_add_ps(f[2],f[3]),_mm512_add_ps(f[6],f[7])));}}
#else
static float sum(__m256 v){__m128 a=_mm_add_ps(_mm256_castps256_ps128(v),_mm256_extractf128_ps(v,1));a=_mm_add_ps(a,_mm_movehl_ps(a,a));a=_mm_add_ss(a,_mm_movehdup_ps(a));return _mm_cvtss_f32(a);}
static void rows(int l,int a,int b){for(int n=a;n<b;n++){const u16*w=W+((size_t)l*N+n)*K;__m256 f[8];for(int i=0;i<8;i++)f[i]=_mm256_setzero_ps();const __m256i m=_mm256_set1_epi32(0xffff0000);
 for(int k=0;k<K;k+=32){_mm_prefetch((const char*)(w+k)+PF,_MM_HINT_T0);
#define ST(o,i) {__m256i q=_mm256_loadu_si256((const __m256i*)(w+k+o));__m256 e=_mm256_castsi256_ps(_mm256_slli_epi32(q,16)),d=_mm256_castsi256_ps(_mm256_and_si256(q,m));int j=(k+o)/2;\
  f[i]=_mm256_fmadd_ps(e,_mm256_loadu_ps(XE+j),f[i]);f[i+1]=_mm256_fmadd_ps(d,_mm256_loadu_ps(XO+j),f[i+1]);f[i+2]=_mm256_fmadd_ps(e,_mm256_loadu_ps(XE+K/2+j),f[i+2]);f[i+3]=_mm256_fmadd_ps(d,_mm256_loadu_ps(XO+K/2+j),f[i+3]);}
  ST(0,0)ST(16,4)}
 Y[n]=sum(_mm256_add_ps(_mm256_add_ps(f[0],f[1]),_mm256_add_ps(f[4],f[5])));Y[N+n]=sum(_mm256_add_ps(_mm256_add_ps(f[2],f[3]),_mm256_add_ps(f[6],f[7])));}}
#endif
static void readall(int l,int a,int b){const __m256i*p=(const __m256i*)(W+((size_t)l*N+a)*K);size_t n=(size_t)(b-a)*K/16;__m256i x[8]={0};for(size_t i=0;i<n;i+=8){for(int j=0;j<4;j++)_mm_prefetch((const char*)(p+i)+PF+64*j,_MM_HINT_T0);for(int j=0;j<8;j++)x[j]=_mm256_add_epi32(x[j],_mm256_loadu_si256(p+i+j));}for(int j=1;j<8;j++)x[0]=_mm256_add_epi32(x[0],x[j]);((volatile int*)Y)[a]=_mm256_extract_epi32(x[0],0);}
static int mode;static void*work(void*p){int t=(int)(long)p;for(int l=0;l<L;l++){int a=t*N/2,b=(t+1)*N/2;if(mode)rows(l,a,b);else readall(l,a,b);}return 0;}
static double run(int m){mode=m;double best=1e9;for(int r=0;r<9;r++){double s=now();pthread_t h[2];for(long t=0;t<2;t++)pthread_create(&h[t],0,work,(void*)t);for(int t=0;t<2;t++)pthread_join(h[t],0);double d=now()-s;if(d<best)best=d;}return best;}
int main(){size_t wb=(size_t)L*N*K*2;W=mmap(0,wb,3,MAP_PRIVATE|MAP_ANONYMOUS,-1,0);madvise(W,wb,MADV_HUGEPAGE);for(size_t i=0;i<wb/2;i++)W[i]=0x3c00+(i*2654435761u>>20&0x3ff);Y=aligned_alloc(64,N*8);XE=aligned_alloc(64,K*4);XO=aligned_alloc(64,K*4);for(int i=0;i<K;i++)XE[i]=XO[i]=0.01f*(i%17-8);
 double rd=run(0),mv=run(1);printf("read %.1f GB/s, bf16 product of two rows %.1f = %.2f\n",wb/rd/1e9,wb/mv/1e9,rd/mv);}
