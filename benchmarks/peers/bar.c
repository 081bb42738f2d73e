/* The lecture's bar in C: what a careful programmer gets out of a compiler by hand.
 *
 * With kappa = a + b x and lam_i = c kappa_i a step solves A u^k = u^{k-1} + s_k g, where
 *
 *     A = I - c kappa D:  below -lam_i,  diagonal 1 + 2 lam_i,  above -lam_i (first row -2 lam_0).
 *
 * All divisions are folded into factors: with the inverse pivots p_i, a solve A u = v is
 *
 *     y_i = p_i v_i - down_i y_{i-1},        down_i = p_i below_i,
 *     u_i = y_i - up_i u_{i+1},              up_i = p_i above_i,
 *
 * one multiply-add per row and sweep on the critical path. A^T has these pivots and swapped bands.
 */
#include "bar.h"

const long lanes = LANES;

typedef struct {
    real *p, *down, *up, *down_t, *up_t; /* each (n,); the last two are A^T's */
} Factors;

static Factors factor(const Bar *bar, real a, real b, real *room) {
    long n = bar->n;
    Factors f = {room, room + n, room + 2 * n, room + 3 * n, room + 4 * n};
    real none = a * 0, up = none, above = none;
    for (long i = 0; i < n; i++) {
        real lam = bar->c * (a + b * ((double)i / n)), below = i ? -lam : none;
        real p = 1 / (1 + 2 * lam - below * up);
        f.p[i] = p;
        f.down[i] = p * below;
        f.down_t[i] = p * above;
        if (i) f.up_t[i - 1] = f.p[i - 1] * below;
        above = i ? -lam : -2 * lam;
        f.up[i] = up = p * above;
    }
    f.up_t[n - 1] = none;
    return f;
}

static void step(const Bar *bar, Factors f, double s, const real *before, real *restrict y,
                 real *u) {
    const double *restrict g = bar->g;
    real t = f.p[0] * 0;
    for (long i = 0; i < bar->n; i++)
        y[i] = t = LESS(f.p[i] * (before[i] + s * g[i]), f.down[i], t);
    t = f.p[0] * 0;
    for (long i = bar->n - 1; i >= 0; i--) u[i] = t = LESS(y[i], f.up[i], t);
}

void forward(const Bar *bar, const real *ab, real *J) {
    long n = bar->n;
    real *room = scratch(7 * n), *u = room + 5 * n, *y = u + n, sum = ab[0] * 0;
    Factors f = factor(bar, ab[0], ab[1], room);
    memset(u, 0, n * sizeof(real));
    for (long k = 0; k < bar->m; k++) {
        step(bar, f, bar->s[k], u, y, u);
        real r = u[0] - bar->d[k];
        sum += r * r;
    }
    *J = sum;
}

/* A^T z^k = z^{k+1} + 2 r_k e_0;   J_a = c sum z^k (D u^k),   J_b = c sum x z^k (D u^k). */
void adjoint(const Bar *bar, const real *ab, real *J, real *J_bar) {
    long n = bar->n, m = bar->m, stride = n + 2;
    real *room = scratch(7 * n + (m + 1) * stride), *z = room + 5 * n, *y = z + n, *U = y + n + 1;
    real none = ab[0] * 0, sum = none, a_bar = none, b_bar = none;
    Factors f = factor(bar, ab[0], ab[1], room);
    memset(z, 0, n * sizeof(real));
    memset(U, 0, n * sizeof(real));
    for (long k = 1; k <= m; k++) {
        real *u = U + k * stride;
        step(bar, f, bar->s[k - 1], u - stride, y, u);
        u[-1] = u[1]; /* insulated */
        u[n] = none;
    }
    for (long k = m; k > 0; k--) {
        const real *u = U + k * stride;
        real r = u[0] - bar->d[k - 1], t = none;
        sum += r * r;
        z[0] += 2 * r;
        for (long i = 0; i < n; i++) y[i] = t = LESS(f.p[i] * z[i], f.down_t[i], t);
        t = none;
        for (long i = n - 1; i >= 0; i--) {
            z[i] = t = LESS(y[i], f.up_t[i], t);
            real product = t * (u[i - 1] - 2 * u[i] + u[i + 1]);
            a_bar += product;
            b_bar += product * (double)i;
        }
    }
    *J = sum;
    J_bar[0] = bar->c * a_bar;
    J_bar[1] = bar->c / n * b_bar;
}

/* With v = du/da and w = du/db:   A v^k = v^{k-1} + c D u^k,   A w^k = w^{k-1} + c x D u^k.
 * The tangents follow one step behind u, so that all three share the sweeps. */
void tangents(const Bar *bar, const real *ab, real *J, real *J_bar) {
    long n = bar->n;
    real *room = scratch(12 * n + 2);
    Factors f = factor(bar, ab[0], ab[1], room);
    real *restrict u = room + 5 * n + 1, *restrict v = u + n + 1, *restrict w = v + n;
    real *restrict y = w + n, *restrict y_v = y + n, *restrict y_w = y_v + n;
    const double *restrict g = bar->g;
    const double c = bar->c, dx = 1.0 / n;
    real none = ab[0] * 0, sum = none, a_bar = none, b_bar = none, r = none;
    memset(u - 1, 0, (3 * n + 2) * sizeof(real));
    for (long k = 0; k <= bar->m; k++) {
        double s = k < bar->m ? bar->s[k] : 0;
        real t = none, t_v = none, t_w = none;
        u[-1] = u[1]; /* insulated; u[n] = 0 */
        for (long i = 0; i < n; i++) {
            real p = f.p[i], down = f.down[i], Du = c * (u[i - 1] - 2 * u[i] + u[i + 1]);
            y[i] = t = LESS(p * (u[i] + s * g[i]), down, t);
            y_v[i] = t_v = LESS(p * (v[i] + Du), down, t_v);
            y_w[i] = t_w = LESS(p * (w[i] + Du * (i * dx)), down, t_w);
        }
        t = t_v = t_w = none;
        for (long i = n - 1; i >= 0; i--) {
            real up = f.up[i];
            u[i] = t = LESS(y[i], up, t);
            v[i] = t_v = LESS(y_v[i], up, t_v);
            w[i] = t_w = LESS(y_w[i], up, t_w);
        }
        a_bar += 2 * r * v[0];
        b_bar += 2 * r * w[0];
        if (k == bar->m) break;
        r = u[0] - bar->d[k];
        sum += r * r;
    }
    *J = sum;
    J_bar[0] = a_bar;
    J_bar[1] = b_bar;
}
