/* The lecture's bar with kappa = a + b u in C: Newton's method, differentiated at its roots.
 *
 * A step solves F = u - before - s g - lam D u = 0 with lam = c (a + b u); its Jacobian's rows are
 *
 *     below -lam_i,    diagonal 1 + 2 lam_i - c b (D u)_i,    above -lam_i (first row -2 lam_0).
 *
 * The pivots are q_i = diagonal_i - below_i above_{i-1} / q_{i-1}: one division and one
 * subtraction on the critical path; the inverse pivots p_i = 1 / q_i are found beside it.
 */
#include "bar.h"

enum { MOST = 12 }; /* iterations */
static const double TOLERANCE = 1e-12, FAST = 0.1;

typedef struct {
    double Du, lam, diagonal, above;
} Row;

static double square(double v) { return v * v; }

/* u has a place before its first and one behind its last: u[-1] = u[1], u[n] = 0. */
static inline Row row_of(const Bar *bar, double a, double b, const double *u, long i) {
    double Du = u[i - 1] - 2 * u[i] + u[i + 1], lam = bar->c * (a + b * u[i]);
    return (Row){Du, lam, 1 + 2 * lam - bar->c * b * Du, i ? -lam : -2 * lam};
}

/* One Newton step on u; returns the largest change over the largest temperature. */
static double improve(const Bar *bar, double a, double b, const double *rest, double *u,
                      double *restrict y, double *restrict up) {
    double q = 1, above = 0, t = 0, change = 0, largest = 0;
    u[-1] = u[1];
    for (long i = 0; i < bar->n; i++) {
        Row row = row_of(bar, a, b, u, i);
        double below = i ? -row.lam : 0;
        q = row.diagonal - below * above / q;
        double p = 1 / q;
        above = row.above;
        up[i] = p * above;
        y[i] = t = LESS(p * (u[i] - rest[i] - row.lam * row.Du), p * below, t);
    }
    t = 0;
    for (long i = bar->n - 1; i >= 0; i--) {
        t = LESS(y[i], up[i], t);
        u[i] -= t;
        change = fmax(change, fabs(t));
        largest = fmax(largest, fabs(u[i]));
    }
    return change / largest;
}

/* From the u before to the next one; stops when one more change would be below the tolerance. */
static void step(const Bar *bar, double a, double b, double s, const double *before, double *room,
                 double *u) {
    long n = bar->n;
    double *rest = room, *y = rest + n, *up = y + n, last = 0;
    for (long i = 0; i < n; i++) rest[i] = before[i] + s * bar->g[i];
    memcpy(u, before, n * sizeof(double));
    u[n] = 0;
    for (int count = 0; count < MOST; count++) {
        double change = improve(bar, a, b, rest, u, y, up);
        if (change * (change < FAST * last ? square(change / last) : 1) <= TOLERANCE) break;
        last = change;
    }
    u[-1] = u[1];
}

void newton_forward(const Bar *bar, const double *ab, double *J) {
    long n = bar->n;
    double *room = scratch(5 * n + 4), *u = room + 3 * n + 1, *next = u + n + 2;
    *J = 0;
    memset(u, 0, n * sizeof(double));
    for (long k = 0; k < bar->m; k++) {
        step(bar, ab[0], ab[1], bar->s[k], u, room, next);
        double r = next[0] - bar->d[k], *swap = u;
        u = next;
        next = swap;
        *J += r * r;
    }
}

/* F_u^T z^k = z^{k+1} + 2 r_k e_0;   J_a = c sum z^k (D u^k),   J_b = c sum z^k u^k (D u^k). */
void newton_adjoint(const Bar *bar, const double *ab, double *J, double *J_bar) {
    long n = bar->n, m = bar->m, stride = n + 2;
    double *room = scratch(4 * n + (m + 1) * stride), *y = room + n, *up_t = y + n, *z = up_t + n;
    double *U = z + n + 1, a = ab[0], b = ab[1], sum = 0, a_bar = 0, b_bar = 0;
    memset(U, 0, n * sizeof(double));
    memset(z, 0, n * sizeof(double));
    for (long k = 1; k <= m; k++)
        step(bar, a, b, bar->s[k - 1], U + (k - 1) * stride, room, U + k * stride);
    for (long k = m; k > 0; k--) {
        const double *u = U + k * stride;
        double r = u[0] - bar->d[k - 1], q = 1, p = 0, above = 0, t = 0;
        sum += r * r;
        z[0] += 2 * r;
        for (long i = 0; i < n; i++) {
            Row row = row_of(bar, a, b, u, i);
            if (i) up_t[i - 1] = p * -row.lam;
            q = row.diagonal + row.lam * above / q;
            p = 1 / q;
            y[i] = t = LESS(p * z[i], p * above, t);
            above = row.above;
        }
        up_t[n - 1] = t = 0;
        for (long i = n - 1; i >= 0; i--) {
            z[i] = t = LESS(y[i], up_t[i], t);
            double product = t * (u[i - 1] - 2 * u[i] + u[i + 1]);
            a_bar += product;
            b_bar += product * u[i];
        }
    }
    *J = sum;
    J_bar[0] = bar->c * a_bar;
    J_bar[1] = bar->c * b_bar;
}
