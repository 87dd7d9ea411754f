# What tools/setup/cortex_m.py adds to a board of MicroPython's ports/qemu. It is copied into
# boards/EST_<BOARD>/ there, and BASE is the board that it extends.
include boards/$(BASE)/mpconfigboard.mk

MICROPY_VFS_LFS2 = 1
FROZEN_MANIFEST = $(BOARD_DIR)/manifest.py
CFLAGS += -DMP_CONFIGFILE='"config.h"'
INC += -I$(BOARD_DIR)
SRC_C += $(BOARD_DIR)/board.c shared/timeutils/timeutils.c
# board.c stands before two functions of MicroPython.
LDFLAGS += -Wl,--wrap=gc_init -Wl,--wrap=mp_init
# littlefs divides 64-bit integers; libgcc's code for that has unwind tables, which nobody reads.
BASE_LDSCRIPT := $(LDSCRIPT)
LDSCRIPT = $(BOARD_DIR)/discard.ld
LDFLAGS += -T $(BASE_LDSCRIPT)
