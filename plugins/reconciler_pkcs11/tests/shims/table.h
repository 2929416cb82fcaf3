/* What both shims need of PKCS#11 2.x: its table of functions, as an array of pointers in the standard's order. */
#ifndef TABLE_H
#define TABLE_H
#include <stddef.h>
typedef unsigned long CK_RV;
typedef struct { unsigned char major, minor; void *functions[68]; } Table;
enum {
    INITIALIZE = 0, GET_FUNCTION_LIST = 3, FUNCTIONS = 68,
    OK = 0x0, GENERAL_ERROR = 0x5, MECHANISM_PARAM_INVALID = 0x71
};
typedef CK_RV (*GetFunctionList)(Table **);
#endif
