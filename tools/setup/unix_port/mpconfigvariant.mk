# A unix port that is as close to a Pico W as it gets: 32-bit, MicroPython's own mbedTLS in the form
# for bare metal, so that TLS lives on Python's heap. setup/frozen.py copies this folder to
# ports/unix/variants/rp2_like and builds with a FROZEN_MANIFEST of boards/.
MICROPY_FORCE_32BIT = 1
MBEDTLS_CONFIG_FILE = \"bare_metal_mbedtls.h\"
# The library has machine code, too.
MPY_CROSS_FLAGS += -march=x86
