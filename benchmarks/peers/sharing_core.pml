/* The core of hwpt-sharing, written by hand for spin: which stage-2 table a device gets.
 *
 * Set with -D: DEVICES devices (up to 6) with the masks COHERENT and ERRATA, TABLES tables of the
 * guest (up to 3). Each step is one d_step. In `owner` and `stage2` 0 is none, n + 1 is row n; in
 * `bound` 0 is pass-through.
 */

#define CONTAINERS 2
#define ROWS 4

#define BIT(mask, d) (((mask) >> (d)) & 1)

bit live[CONTAINERS];
bit erratum[CONTAINERS];
byte owner[ROWS];
bit coherent[ROWS];
byte users[ROWS];
bit plugged[DEVICES];
byte stage2[DEVICES];
byte bound[DEVICES];

/* Each count is the number of users, and what uses no stage-2 is bound to no table. */
#define USES(d, row) (DEVICES > d && stage2[(DEVICES > d -> d : 0)] == row + 1)
#define COUNTED(row) (users[row] == USES(0, row) + USES(1, row) + USES(2, row) + USES(3, row) + \
                      USES(4, row) + USES(5, row))
#define CHECK(d) assert(COUNTED(0) && COUNTED(1) && COUNTED(2) && COUNTED(3) && \
                        (stage2[d] != 0 || bound[d] == 0))

byte c, r, old; /* 0 again behind every step, so no part of what tells two states apart */

/* A row has a user less; the last one takes it along, and a container that has no other. */
inline release() {
    if
    :: old != 0 ->
        r = old - 1;
        assert(users[r] > 0);
        users[r]--;
        if
        :: users[r] == 0 ->
            c = owner[r] - 1;
            owner[r] = 0;
            coherent[r] = 0;
            if
            :: owner[0] != c + 1 && owner[1] != c + 1 && owner[2] != c + 1 && owner[3] != c + 1 ->
                live[c] = 0;
                erratum[c] = 0
            :: else
            fi
        :: else
        fi
    :: else
    fi;
    c = 0; r = 0; old = 0
}

/* The container that suits a device, or a new one; in it the stage-2 that suits it, or a new one. */
inline attach(d, t) {
    do
    :: c < CONTAINERS && !(live[c] && erratum[c] == BIT(ERRATA, d)) -> c++
    :: else -> break
    od;
    if
    :: c == CONTAINERS ->
        c = 0;
        do
        :: live[c] -> c++
        :: else -> break
        od;
        live[c] = 1;
        erratum[c] = BIT(ERRATA, d)
    :: else
    fi;
    do
    :: r < ROWS && !(owner[r] == c + 1 && coherent[r] == BIT(COHERENT, d)) -> r++
    :: else -> break
    od;
    if
    :: r == ROWS ->
        r = 0;
        do
        :: owner[r] != 0 -> r++
        :: else -> break
        od;
        owner[r] = c + 1;
        coherent[r] = BIT(COHERENT, d)
    :: else
    fi;
    users[r]++;
    old = stage2[d];
    stage2[d] = r + 1;
    bound[d] = t;
    release();
    CHECK(d)
}

inline detach(d) {
    old = stage2[d];
    stage2[d] = 0;
    bound[d] = 0;
    release();
    CHECK(d)
}

#define BIND(d, t) :: d_step { plugged[d] -> attach(d, t) }

#if TABLES == 1
#define BINDS(d) BIND(d, 0) BIND(d, 1)
#elif TABLES == 2
#define BINDS(d) BIND(d, 0) BIND(d, 1) BIND(d, 2)
#else
#define BINDS(d) BIND(d, 0) BIND(d, 1) BIND(d, 2) BIND(d, 3)
#endif

#define DEVICE(d) \
    :: d_step { !plugged[d] -> plugged[d] = 1 } \
    :: d_step { plugged[d] -> plugged[d] = 0; detach(d) } \
    :: d_step { stage2[d] != 0 -> detach(d) } \
    BINDS(d)

active proctype guest() {
    do
    DEVICE(0)
    DEVICE(1)
#if DEVICES > 2
    DEVICE(2)
#endif
#if DEVICES > 3
    DEVICE(3)
#endif
#if DEVICES > 4
    DEVICE(4)
#endif
#if DEVICES > 5
    DEVICE(5)
#endif
    od
}
