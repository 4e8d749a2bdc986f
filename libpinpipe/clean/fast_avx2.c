/* Turns the fast road's source into a second one for x86-64 with AVX2, and picks one at run time.
 * Never differs from fast.c but in its instructions: it is the same text.
 * Rules: decoder.md §1 (what the widths bring); tests/unit/roads_test.c compares every level. */
#include "clean/fast.h"

#if defined(__AVX2__)

#define pp_fast_run pp_fast_run_avx2
#include "clean/fast.c" /* NOLINT(bugprone-suspicious-include): the same text, at another level */
#undef pp_fast_run

pp_fast_run_fn pp_fast_run_best(void) {
    return __builtin_cpu_supports("avx2") ? pp_fast_run_avx2 : pp_fast_run;
}

#else

pp_fast_run_fn pp_fast_run_best(void) {
    return pp_fast_run;
}

#endif
