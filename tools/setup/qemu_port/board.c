// What MicroPython's ports/qemu lacks of a board: a clock, a heap of any size, and a start that
// mounts the flash and runs boot.py and main.py. The machine has no calendar: its time begins at
// MicroPython's epoch, 2000-01-01, as on a board without a battery.
#include <stdint.h>

#include "py/gc.h"
#include "py/mphal.h"
#include "py/runtime.h"
#include "shared/runtime/pyexec.h"

#define REGISTER(address) (*(volatile uint32_t *)(address))

// --- the clock: a hardware timer that counts, without interrupts

#if defined(QEMU_SOC_MPS2)

#define TIMER 0x40000000 // CMSDK APB timer 0, counts down at 25 MHz
#define PER_MICROSECOND 25

static void start_timer(void) {
    REGISTER(TIMER + 0x8) = 0xffffffff; // RELOAD
    REGISTER(TIMER + 0x4) = 0xffffffff; // VALUE
    REGISTER(TIMER + 0x0) = 1; // CTRL: enabled
}

static uint32_t read_timer(void) {
    return ~REGISTER(TIMER + 0x4);
}

#define PARAMETERS 0x20000000 // RAM that nothing else uses

#elif defined(QEMU_SOC_NRF51)

#define TIMER 0x40008000 // TIMER0, the one with 32 bits
#define PER_MICROSECOND 16

static void start_timer(void) {
    REGISTER(TIMER + 0x508) = 3; // BITMODE: 32 bits
    REGISTER(TIMER + 0x510) = 0; // PRESCALER: 16 MHz
    REGISTER(TIMER + 0x000) = 1; // TASKS_START
}

static uint32_t read_timer(void) {
    REGISTER(TIMER + 0x040) = 1; // TASKS_CAPTURE[0]
    return REGISTER(TIMER + 0x540); // CC[0]
}

#define PARAMETERS 0xff000 // the end of the flash

#endif

// Ticks since the start. The timer has 32 bits, and must be asked at least once in their time:
// 171 s (M3) or 268 s (M0).
static uint64_t ticks(void) {
    static uint64_t total;
    static uint32_t last;
    uint32_t now = read_timer();
    total += now - last;
    last = now;
    return total;
}

mp_uint_t mp_hal_ticks_us(void) {
    return ticks() / PER_MICROSECOND;
}

mp_uint_t mp_hal_ticks_ms(void) {
    return ticks() / (PER_MICROSECOND * 1000);
}

mp_uint_t mp_hal_ticks_cpu(void) {
    return ticks();
}

uint64_t mp_hal_time_ns(void) {
    return ticks() * 1000 / PER_MICROSECOND;
}

void mp_hal_delay_us(mp_uint_t us) {
    uint64_t start = ticks();
    while (ticks() - start < (uint64_t)us * PER_MICROSECOND) {
    }
}

void mp_hal_delay_ms(mp_uint_t ms) {
    uint64_t start = ticks();
    while (ticks() - start < (uint64_t)ms * PER_MICROSECOND * 1000) {
        mp_handle_pending(true);
    }
}

// --- the heap: as many bytes as the first word at PARAMETERS says (QEMU's loader puts it there)

void __real_gc_init(void *start, void *end);

void __wrap_gc_init(void *start, void *end) {
    uint32_t size = REGISTER(PARAMETERS);
    start_timer();
    if (size != 0 && size < (uint32_t)((char *)end - (char *)start)) {
        end = (char *)start + size;
    }
    __real_gc_init(start, end);
}

// --- the start, at power-up and after each soft reset

void __real_mp_init(void);

void __wrap_mp_init(void) {
    __real_mp_init();
    pyexec_frozen_module("_boot.py", false);
    // As boards do: a computer that talks raw REPL gets a board on which main.py does not run.
    int result = pyexec_file_if_exists("boot.py");
    if (pyexec_mode_kind == PYEXEC_MODE_FRIENDLY_REPL && !(result & PYEXEC_FORCED_EXIT)) {
        pyexec_file_if_exists("main.py");
    }
}
