// The port's own configuration, with what boards have and it leaves out: a clock, asyncio.
#include <mpconfigport.h>

#undef MICROPY_PY_TIME
#undef MICROPY_PY_SELECT
#undef MICROPY_PY_ASYNCIO
#define MICROPY_PY_TIME (1)
#define MICROPY_PY_TIME_TIME_TIME_NS (1)
#define MICROPY_PY_TIME_GMTIME_LOCALTIME_MKTIME (1)
#define MICROPY_PY_TIME_INCLUDEFILE "calendar.h"
#define MICROPY_PY_SELECT (1)
#define MICROPY_PY_ASYNCIO (1)

#if defined(QEMU_SOC_NRF51)
// The Cortex-M0 has the instruction set of an RP2040, which runs native code, too.
#undef MICROPY_EMIT_THUMB
#undef MICROPY_EMIT_INLINE_THUMB
#define MICROPY_EMIT_THUMB (1)
#define MICROPY_EMIT_THUMB_ARMV7M (0)
#define MICROPY_EMIT_INLINE_THUMB (1)
#endif
