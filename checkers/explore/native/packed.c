/* A state as it is kept: the bits that its fields may use, one behind the other.
 *
 * Which these are in each word of a state, and how many, the machine says (`used`). Processors that
 * take the bits of a mask out of a word, or put them there, in one instruction do so (unless it is
 * compiled with BIT_BY_BIT); others bit by bit.
 */

enum { STATE_BYTES = (STATE_BITS + 7) / 8, STATE_WORDS = (STATE_BYTES + 7) / 8 };

typedef struct {
    uint64_t w[STATE_WORDS];
} packed;

#define INLINE static inline __attribute__((always_inline))

/* The bits of a word that are in a mask, side by side from the lowest on. */
INLINE uint64_t gather(uint64_t word, uint64_t mask)
{
    uint64_t found = 0;
    for (int at = 0; mask; mask &= mask - 1)
        found |= (word >> __builtin_ctzll(mask) & 1) << at++;
    return found;
}

/* The lowest bits of a word, at the places that a mask has. */
INLINE uint64_t scatter(uint64_t word, uint64_t mask)
{
    uint64_t found = 0;
    for (; mask; mask &= mask - 1, word >>= 1)
        found |= (word & 1) << __builtin_ctzll(mask);
    return found;
}

INLINE void pack_by(const state *s, packed *into, uint64_t (*gathered)(uint64_t, uint64_t))
{
    uint64_t word = 0;
    int at = 0, to = 0;
#pragma GCC unroll 64
    for (int n = 0; n < FLAT_WORDS; n++) {
        uint64_t bits = gathered(s->w[n], used[n]);
        word |= bits << at;
        at += used_bits[n];
        if (at >= 64) {
            into->w[to++] = word;
            at -= 64;
            word = at ? bits >> (used_bits[n] - at) : 0;
        }
    }
    if (to < STATE_WORDS)
        into->w[to] = word;
}

INLINE void unpack_by(const packed *from, state *s, uint64_t (*scattered)(uint64_t, uint64_t))
{
    int at = 0;
#pragma GCC unroll 64
    for (int n = 0; n < FLAT_WORDS; n++) {
        int many = used_bits[n], first = at / 64, skip = at % 64;
        uint64_t bits = many ? from->w[first] >> skip : 0;
        if (skip + many > 64)
            bits |= from->w[first + 1] << (64 - skip);
        s->w[n] = scattered(bits, used[n]);
        at += many;
    }
}

static void pack_by_bits(const state *s, packed *into)
{
    pack_by(s, into, gather);
}

static void unpack_by_bits(const packed *from, state *s)
{
    unpack_by(from, s, scatter);
}

#if defined __x86_64__ && !defined BIT_BY_BIT
#include <cpuid.h>

#define WITH_BMI2 __attribute__((target("bmi2")))

WITH_BMI2 INLINE uint64_t gather_at_once(uint64_t word, uint64_t mask)
{
    return __builtin_ia32_pext_di(word, mask);
}

WITH_BMI2 INLINE uint64_t scatter_at_once(uint64_t word, uint64_t mask)
{
    return __builtin_ia32_pdep_di(word, mask);
}

WITH_BMI2 static void pack_at_once(const state *s, packed *into)
{
    pack_by(s, into, gather_at_once);
}

WITH_BMI2 static void unpack_at_once(const packed *from, state *s)
{
    unpack_by(from, s, scatter_at_once);
}

static int is_at_once;

__attribute__((constructor)) static void ask_processor(void)
{
    unsigned a, b = 0, c, d;
    is_at_once = __get_cpuid_count(7, 0, &a, &b, &c, &d) && (b & bit_BMI2);
}

#else
enum { is_at_once = 0 };
#define pack_at_once pack_by_bits
#define unpack_at_once unpack_by_bits
#endif

static void pack(const state *s, packed *into)
{
    if (is_at_once)
        pack_at_once(s, into);
    else
        pack_by_bits(s, into);
}

static void unpack(const packed *from, state *s)
{
    if (is_at_once)
        unpack_at_once(from, s);
    else
        unpack_by_bits(from, s);
}

/* Whether two states are the same. */
static inline int equal(const packed *a, const packed *b)
{
    uint64_t differ = 0;
    for (int i = 0; i < STATE_WORDS; i++)
        differ |= a->w[i] ^ b->w[i];
    return !differ;
}

/* Multiply and fold, two words at a time. */
static inline uint64_t hash_of(const packed *s)
{
    uint64_t a = 0x9E3779B97F4A7C15u, b = 0xC2B2AE3D27D4EB4Fu;
    for (int i = 0; i < STATE_WORDS; i += 2) {
        uint64_t more = i + 1 < STATE_WORDS ? s->w[i + 1] : 0;
        unsigned __int128 product = (unsigned __int128)(s->w[i] ^ a) * (more ^ b ^ 0xD6E8FEB86659FD93u);
        a = (uint64_t)product ^ (b << 23 | b >> 41);
        b = (uint64_t)(product >> 64) + 0x94D049BB133111EBu * (uint64_t)(i + 1);
    }
    unsigned __int128 last = (unsigned __int128)(a ^ (b >> 32)) * 0xBF58476D1CE4E5B9u;
    uint64_t folded = (uint64_t)last ^ (uint64_t)(last >> 64) ^ b;
    return folded * 0x9E3779B97F4A7C15u ^ (folded >> 31);
}
