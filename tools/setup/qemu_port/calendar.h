// What extmod/modtime.c wants of a port: the calendar time, here from board.c's clock.
#include "shared/timeutils/timeutils.h"

static uint64_t seconds_now(void) {
    return mp_hal_time_ns() / 1000000000ull;
}

static mp_obj_t mp_time_localtime_get(void) {
    timeutils_struct_time_t now;
    timeutils_seconds_since_epoch_to_struct_time(seconds_now(), &now);
    mp_obj_t parts[8] = {
        MP_OBJ_NEW_SMALL_INT(now.tm_year), MP_OBJ_NEW_SMALL_INT(now.tm_mon),
        MP_OBJ_NEW_SMALL_INT(now.tm_mday), MP_OBJ_NEW_SMALL_INT(now.tm_hour),
        MP_OBJ_NEW_SMALL_INT(now.tm_min), MP_OBJ_NEW_SMALL_INT(now.tm_sec),
        MP_OBJ_NEW_SMALL_INT(now.tm_wday), MP_OBJ_NEW_SMALL_INT(now.tm_yday),
    };
    return mp_obj_new_tuple(8, parts);
}

static mp_obj_t mp_time_time_get(void) {
    return mp_obj_new_int_from_ull(seconds_now());
}
