/* What the code of a machine is written against.
 *
 * That code comes first and says how large a state is and how many actions and rules there are
 * (STATE_BYTES, STATE_WORDS, ACTIONS, RULES, FAILURES, ...). A `run` is one thread's work: the state
 * that is expanded, a copy of it on which an action runs, and what became of the actions.
 */
#ifndef RUNTIME_H
#define RUNTIME_H

#define UNLIKELY(condition) __builtin_expect(!!(condition), 0)

enum { MOST_PARAMETERS = 16, MOST_LOCALS = 32, MOST_CHOICES = 32, MOST_CALLS = 255, BATCH = 64 };

/* Where a run that is stopped goes on. What the compiler does itself saves two words and not all; the
 * sanitizers have to know of it. */
#if defined __x86_64__ && !defined __SANITIZE_ADDRESS__ && !defined __SANITIZE_THREAD__
typedef void *landing[5];
#define LAND(place) __builtin_setjmp(place)
#define LEAP(place) __builtin_longjmp(place, 1)
#else
typedef jmp_buf landing;
#define LAND(place) _setjmp(place)
#define LEAP(place) _longjmp(place, 1)
#endif

_Static_assert(BOUNDS <= 64, "a word has a bit for each bound of the model");

/* How a run of an action ends before its end. */
enum ending { DISABLED = 1, CUT, CRASH };

/* How runs of a step that differ in choices alone ended. */
enum kind { IS_DONE = 1, HAS_CRASHED = 2 };

/* What a thread does with the steps that it takes. */
enum mode { EXPLORE, LEAD_BACK, FIND_BREACH, TEAR_DOWN };

enum { CRASH_RULE = RULES + FAILURES, ALL_RULES = CRASH_RULE + 1, FAR = 255 };

/* The choices of one run where an allocator may give any of several rows. Runs are repeated with
 * other picks until all were made. `touched` are the rows that something names: not like others. */
typedef struct {
    const state *origin, *now;      /* before the run, and as it has come to be */
    int known, made, length;
    uint8_t pick[MOST_CHOICES], options[MOST_CHOICES];
    uint8_t touched[VERTICES + 1];
} choices;

/* A state that a step has led to, to be looked up with others. */
typedef struct {
    packed at;
    uint64_t hash, written;
} candidate;

struct space;

typedef struct run {
    state now;          /* what the action works on; equal to `base` between two runs */
    state base;         /* the state that is expanded */
    packed kept;        /* the same, as it is kept */
    uint64_t hash;      /* of that */
    uint64_t written;   /* which columns the action has written */
    int calls, fault;   /* host calls made so far, and which of them fails (0: none) */
    int faults;         /* how many calls the run without a fault made */
    int kinds;          /* how the runs of this step ended that differ in choices: see `enum kind` */
    uint64_t met;       /* the bounds that cut them off */
    int astray;         /* TEAR_DOWN: one of them led to a state not known to lead down */
    int action;
    int p[MOST_PARAMETERS];
    int h[MOST_LOCALS];
    landing *escape;
    enum ending ending;
    int why;
    choices *choices, action_choices, rule_choices;
    enum mode mode;
    int rule;           /* FIND_BREACH: of which rule */
    int best;           /* LEAD_BACK, FIND_BREACH: the fewest faults; TEAR_DOWN: it leads down */
    uint64_t from, to;  /* LEAD_BACK: the states of the next level */
    int refused;        /* a refusal without effect was judged in this state */
    int judged;         /* the rule that is evaluated, or RULES and the witness */
    int failed;         /* the search cannot go on: see `enum failure` */
    uint64_t spare;     /* a number that was taken for a state that another thread had found */
    uint64_t fired[ACTIONS], crashed[ACTIONS], cuts[BOUNDS + 1];
    int batched;
    candidate batch[BATCH];
    struct space *space;
} run;

/* Leave the action, or the rule, that is running. */
static _Noreturn void stop(run *x, enum ending ending, int why)
{
    x->ending = ending;
    x->why = why;
    LEAP(*x->escape);
}

/* A guard: if it is false the action is not enabled. */
static inline void require(run *x, int condition)
{
    if (!condition)
        stop(x, DISABLED, 0);
}

/* What the real code would assert. */
static inline void check(run *x, int condition, int why)
{
    if (UNLIKELY(!condition))
        stop(x, CRASH, why);
}

/* A bound of the model. */
static inline void limit(run *x, int condition, int bound)
{
    if (UNLIKELY(!condition))
        stop(x, CUT, bound);
}

/* The row of an id; none is a null dereference. */
static inline int row(run *x, int id, int why)
{
    if (UNLIKELY(!id))
        stop(x, CRASH, why);
    return id;
}

/* A value that a field can hold. */
static inline int within(run *x, int value, int low, int high, int why)
{
    check(x, value >= low && value <= high, why);
    return value;
}

/* Count a host call; true if it is the one to fail. */
static inline int strikes(run *x)
{
    return ++x->calls == x->fault;
}

/* Sets of ids are as many bytes as they need. */
static inline int set_has(const uint8_t *set, int id)
{
    return id && (set[(id - 1) >> 3] >> ((id - 1) & 7) & 1);
}

static inline void set_put(uint8_t *set, int id, int in)
{
    uint8_t bit = (uint8_t)(1u << ((id - 1) & 7));
    if (in)
        set[(id - 1) >> 3] |= bit;
    else
        set[(id - 1) >> 3] &= (uint8_t)~bit;
}

/* The next id in a set of so many bytes behind this one (0: the first); 0 if there is none. */
static inline int next_in(const uint8_t *set, int bytes, int id)
{
    for (int from = id & ~63; from < 8 * bytes; from += 64) {
        uint64_t word = 0;
        memcpy(&word, set + from / 8, (size_t)(bytes - from / 8 < 8 ? bytes - from / 8 : 8));
        if (id > from)
            word = word >> (id - from) << (id - from);
        if (word)
            return from + __builtin_ctzll(word) + 1;
    }
    return 0;
}

static int choose(run *x, int table, int *candidates, int count);

/* Prepare the next picks after a run; false if all were made. */
static int next_choice(choices *c)
{
    c->known = 0;
    c->length = c->made;
    c->made = 0;
    while (c->length && ++c->pick[c->length - 1] == c->options[c->length - 1])
        c->length--;
    return c->length > 0;
}

static void no_choice_yet(choices *c, const state *origin, const state *now)
{
    c->origin = origin;
    c->now = now;
    c->known = c->made = c->length = 0;
}

static void stopped(run *x);
static void has_effect(run *x, int result);
static void settle_rest(run *x);

/* A run came to its end, with this result. Most write nothing, and are refused as others were. */
static inline void ended(run *x, int result)
{
    if (x->calls >= x->fault) {
        x->kinds |= IS_DONE;
        x->astray |= !x->written;
    }
    if (x->written || (FAILURES && result && !x->refused))
        has_effect(x, result);
}

/* All choices of a step were made: it is one transition, if any of them is. */
static inline void settle(run *x)
{
    x->fired[x->action] += x->kinds != 0;
    x->crashed[x->action] += x->kinds == HAS_CRASHED;
    if (UNLIKELY(x->met || x->mode == TEAR_DOWN))
        settle_rest(x);
    x->kinds = x->astray = 0;
}

/* Begin to run an action with given parameters. */
static inline void begin(run *x)
{
    x->calls = 0;
    if (RELAXED)
        no_choice_yet(&x->action_choices, &x->base, &x->now);
}

/* After a run: whether there is another one with these parameters, and prepare for it. */
static inline int more(run *x, int may_fail)
{
    if (may_fail && !x->fault && x->calls > x->faults)
        x->faults = x->calls;
    x->calls = 0;
    if (RELAXED && next_choice(&x->action_choices))
        return 1;
    settle(x);
    if (may_fail && x->mode != TEAR_DOWN && x->fault < x->faults) {
        x->fault++;
        return 1;
    }
    x->fault = x->faults = 0;
    return 0;
}

#endif
