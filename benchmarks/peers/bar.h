/* What the C programs share: the bar, numbers side by side, and scratch memory.
 *
 * A `real` is one double, or with -DSIDE_BY_SIDE=1 LANES of them, one pair (a, b) in each. Scratch
 * is kept between calls: first use of fresh memory would cost more than the arithmetic on it.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#if !SIDE_BY_SIDE
#define LANES 1
typedef double real;
#else
#ifdef __AVX512F__
#define LANES 8
#else
#define LANES 4 /* wider than the machine's registers they are three times slower */
#endif
typedef double real __attribute__((vector_size(8 * LANES)));
#endif

typedef struct {
    long n, m;
    double c;                /* dt / dx^2 */
    const double *g, *s, *d; /* dt g_i, s_k and the readings: (n,), (m,), (m,) */
} Bar;

/* y - f t as one operation, so that nothing else hangs on t */
#if SIDE_BY_SIDE
#define LESS(y, f, t) ((y) - (f) * (t))
#else
#define LESS(y, f, t) fma(-(f), t, y)
#endif

static real *scratch(size_t count) {
    static real *kept;
    static size_t room;
    if (count > room) {
        free(kept);
        kept = aligned_alloc(64, (count * sizeof(real) + 63) / 64 * 64);
        room = count;
    }
    return kept;
}
