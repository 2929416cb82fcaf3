/* NSS softokn as a plain PKCS#11 module: hands it the library parameters of $NSS_LIB_PARAMS, which a generic client
 * cannot. Everything else is softokn's own table. $NSS_SOFTOKN is its file. */
#include <dlfcn.h>
#include <stdlib.h>
#include <string.h>
#include "table.h"

static Table ours, *real;

/* NSS reads its parameters before pReserved: seven words, not six. */
struct arguments { void *mutex[4]; unsigned long flags; char *parameters; void *reserved; };

static CK_RV initialise(void *ignored) {
    struct arguments arguments;
    (void)ignored;
    memset(&arguments, 0, sizeof arguments);
    arguments.flags = 2; /* CKF_OS_LOCKING_OK */
    arguments.parameters = getenv("NSS_LIB_PARAMS");
    return ((CK_RV (*)(void *))real->functions[INITIALIZE])(&arguments);
}

CK_RV C_GetFunctionList(Table **out) {
    if (!real) {
        const char *path = getenv("NSS_SOFTOKN");
        void *library = dlopen(path ? path : "libsoftokn3.so", RTLD_NOW | RTLD_LOCAL);
        GetFunctionList get = library ? (GetFunctionList)dlsym(library, "C_GetFunctionList") : NULL;
        CK_RV rv = get ? get(&real) : GENERAL_ERROR;
        if (rv) return rv;
        ours = *real;
        ours.functions[GET_FUNCTION_LIST] = (void *)C_GetFunctionList;
        ours.functions[INITIALIZE] = (void *)initialise;
    }
    *out = &ours;
    return OK;
}
