/* The machine object-lifetime, written by hand for spin.
 *
 * Each step is one d_step, so that a state of the machine is a state of spin. Set with -D:
 * FDS iommufds with SLOTS slots each, DEVICES devices, of which those from SECOND on (the first is 0)
 * are on the second iommufd. Slots and devices are numbered from 0; in `parent` and `hwpt` 0 is none
 * and n + 1 is slot n.
 */

#define FREE   0
#define IOAS   1
#define S2     2
#define NESTED 3

#define ALL (FDS * SLOTS)

byte kind[ALL];
byte parent[ALL];
byte refs[ALL];
byte hwpt[DEVICES];

byte at; /* 0 again behind every step, so no part of what tells two states apart */

/* There are up to 8 slots: SLOT_OR(k, n) is slot k if there are more than k, of n in all. */
#define SLOT_OR(k, n) (n > k -> k : 0)

#define IS_FREE(b, k) (SLOTS > k && kind[(b) + SLOT_OR(k, SLOTS)] == FREE)
#define SOME_FREE(b) (IS_FREE(b, 0) || IS_FREE(b, 1) || IS_FREE(b, 2) || IS_FREE(b, 3) || \
                      IS_FREE(b, 4) || IS_FREE(b, 5) || IS_FREE(b, 6) || IS_FREE(b, 7))
#define LOWEST(b) (IS_FREE(b, 0) -> (b) : (IS_FREE(b, 1) -> (b) + 1 : (IS_FREE(b, 2) -> (b) + 2 : \
                  (IS_FREE(b, 3) -> (b) + 3 : (IS_FREE(b, 4) -> (b) + 4 : \
                  (IS_FREE(b, 5) -> (b) + 5 : (IS_FREE(b, 6) -> (b) + 6 : (b) + 7)))))))

#define FIRST(slot) (((slot) / SLOTS) * SLOTS)
#define FD_OF(dev) ((dev) >= SECOND -> 1 : 0)

/* Each stored count is the number of referrers: one expression, for a loop is many steps of spin. */
#define CHILD(s, k) (ALL > k && parent[SLOT_OR(k, ALL)] == s + 1)
#define USER(s, d) (DEVICES > d && hwpt[(DEVICES > d -> d : 0)] == s + 1)
#define COUNTED(s) (ALL <= s || refs[SLOT_OR(s, ALL)] == CHILD(s, 0) + CHILD(s, 1) + CHILD(s, 2) + \
                    CHILD(s, 3) + CHILD(s, 4) + CHILD(s, 5) + CHILD(s, 6) + CHILD(s, 7) + \
                    USER(s, 0) + USER(s, 1) + USER(s, 2))
#define CHECK assert(COUNTED(0) && COUNTED(1) && COUNTED(2) && COUNTED(3) && \
                     COUNTED(4) && COUNTED(5) && COUNTED(6) && COUNTED(7))

#define ALLOC_IOAS(fd) \
    :: d_step { SOME_FREE((fd) * SLOTS) -> kind[LOWEST((fd) * SLOTS)] = IOAS; CHECK }

#define ATTACH(dev, slot) \
    :: d_step { hwpt[dev] == 0 && (slot) / SLOTS == FD_OF(dev) && kind[slot] >= S2 -> \
           hwpt[dev] = (slot) + 1; refs[slot]++; CHECK }

#define DEVICE(dev) \
    :: d_step { hwpt[dev] != 0 -> refs[hwpt[dev] - 1]--; hwpt[dev] = 0; CHECK }

#define OVER(slot, below, what) \
    :: d_step { kind[slot] == below && SOME_FREE(FIRST(slot)) -> \
           at = LOWEST(FIRST(slot)); kind[at] = what; parent[at] = (slot) + 1; refs[slot]++; \
           at = 0; CHECK }

#define SLOT(slot) \
    OVER(slot, IOAS, S2) \
    OVER(slot, S2, NESTED) \
    :: d_step { kind[slot] != FREE && refs[slot] == 0 -> \
           if \
           :: parent[slot] != 0 -> refs[parent[slot] - 1]-- \
           :: else \
           fi; \
           kind[slot] = FREE; parent[slot] = 0; CHECK }

#if DEVICES == 2
#define SLOT_AND_DEVICES(slot) SLOT(slot) ATTACH(0, slot) ATTACH(1, slot)
#else
#define SLOT_AND_DEVICES(slot) SLOT(slot) ATTACH(0, slot) ATTACH(1, slot) ATTACH(2, slot)
#endif

active proctype user() {
    do
    ALLOC_IOAS(0)
#if FDS == 2
    ALLOC_IOAS(1)
#endif
    SLOT_AND_DEVICES(0)
    SLOT_AND_DEVICES(1)
    SLOT_AND_DEVICES(2)
#if FDS * SLOTS > 3
    SLOT_AND_DEVICES(3)
#endif
#if FDS * SLOTS > 4
    SLOT_AND_DEVICES(4)
#endif
#if FDS * SLOTS > 5
    SLOT_AND_DEVICES(5)
#endif
#if FDS * SLOTS > 6
    SLOT_AND_DEVICES(6)
#endif
#if FDS * SLOTS > 7
    SLOT_AND_DEVICES(7)
#endif
    DEVICE(0)
    DEVICE(1)
#if DEVICES == 3
    DEVICE(2)
#endif
    od
}
