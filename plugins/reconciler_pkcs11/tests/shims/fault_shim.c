/* A PKCS#11 module in front of another one, for what soft tokens never do and hardware does.
 *
 * $FAULT_SHIM_MODULE  the real module
 * $FAULT_SHIM_LOG     each call appends its function's name, a line each
 * $FAULT_SHIM_CONTROL read at each call; each line is FUNCTION WHAT [NUMBER] [once]:
 *   0x30            answer that CKR, without calling
 *   sleep N         hang for N seconds, then call
 *   segv            a segmentation fault
 *   kill, killed    SIGKILL to this process: before, after the real call
 *   orphan, orphaned  SIGKILL to the parent: before, after the real call
 *   iv              (C_EncryptInit) the token makes the GCM IV itself, as some hardware does
 *   locked          (C_GetTokenInfo) the flag CKF_USER_PIN_LOCKED; likewise final: CKF_USER_PIN_FINAL_TRY
 * With "once" the control file is removed first, so that the fault happens one time. */
#include <dlfcn.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "table.h"

typedef unsigned long W; /* every argument is a word or narrower */
typedef CK_RV (*Call)(W, W, W, W, W, W, W, W);
struct mechanism { W kind; void *parameter; W length; };
struct gcm { unsigned char *iv; W iv_length, iv_bits; void *aad; W aad_length, tag_bits; };
struct order { char what[32]; unsigned number; };

static Table ours, *real;

static void note(const char *function) {
    const char *path = getenv("FAULT_SHIM_LOG");
    int log = path ? open(path, O_WRONLY | O_CREAT | O_APPEND, 0600) : -1;
    if (log >= 0) { dprintf(log, "%s\n", function); close(log); }
}

static struct order ordered(const char *function) {
    struct order found = {"", 0};
    const char *path = getenv("FAULT_SHIM_CONTROL");
    FILE *control = path ? fopen(path, "r") : NULL;
    char line[160], name[64], what[32];
    if (!control) return found;
    while (fgets(line, sizeof line, control)) {
        unsigned number = 0;
        if (sscanf(line, "%63s %31s %u", name, what, &number) < 2 || strcmp(name, function)) continue;
        strcpy(found.what, what);
        found.number = number;
        if (strstr(line, "once")) unlink(path);
        break;
    }
    fclose(control);
    return found;
}

static int is(const struct order *order, const char *what) { return !strcmp(order->what, what); }

static CK_RV own_iv(W session, struct mechanism *mechanism) {
    struct gcm *gcm = mechanism->parameter;
    if (mechanism->kind != 0x1087) return OK;
    if (gcm->iv_length < 12) return MECHANISM_PARAM_INVALID;
    return ((CK_RV (*)(W, unsigned char *, W))real->functions[64])(session, gcm->iv, 12);
}

static CK_RV passed(int place, const char *function, W a, W b, W c, W d, W e, W f, W g, W h) {
    CK_RV rv;
    struct order order;
    note(function);
    order = ordered(function);
    if (!strncmp(order.what, "0x", 2)) return strtoul(order.what, NULL, 16);
    if (is(&order, "sleep")) sleep(order.number);
    if (is(&order, "segv")) raise(SIGSEGV);
    if (is(&order, "kill")) raise(SIGKILL);
    if (is(&order, "orphan")) kill(getppid(), SIGKILL);
    if (is(&order, "iv") && (rv = own_iv(a, (struct mechanism *)b))) return rv;
    rv = ((Call)real->functions[place])(a, b, c, d, e, f, g, h);
    if (is(&order, "killed")) raise(SIGKILL);
    if (is(&order, "orphaned")) kill(getppid(), SIGKILL);
    if (is(&order, "locked") || is(&order, "final")) *(W *)(b + 96) |= is(&order, "locked") ? 0x40000 : 0x20000;
    return rv;
}

#define HOOKS(EACH) \
    EACH(4, C_GetSlotList) EACH(6, C_GetTokenInfo) EACH(8, C_GetMechanismInfo) EACH(12, C_OpenSession) \
    EACH(13, C_CloseSession) EACH(18, C_Login) EACH(20, C_CreateObject) EACH(22, C_DestroyObject) \
    EACH(24, C_GetAttributeValue) EACH(25, C_SetAttributeValue) EACH(26, C_FindObjectsInit) EACH(27, C_FindObjects) \
    EACH(29, C_EncryptInit) EACH(30, C_Encrypt) EACH(33, C_DecryptInit) EACH(34, C_Decrypt) EACH(42, C_SignInit) \
    EACH(43, C_Sign) EACH(58, C_GenerateKey) EACH(60, C_WrapKey) EACH(61, C_UnwrapKey) EACH(64, C_GenerateRandom)

#define HOOK(place, function) \
    static CK_RV h_##function(W a, W b, W c, W d, W e, W f, W g, W h) { \
        return passed(place, #function, a, b, c, d, e, f, g, h); \
    }
HOOKS(HOOK)

CK_RV C_GetFunctionList(Table **out) {
    if (!real) {
        const char *path = getenv("FAULT_SHIM_MODULE");
        void *library = path ? dlopen(path, RTLD_NOW | RTLD_LOCAL) : NULL;
        GetFunctionList get = library ? (GetFunctionList)dlsym(library, "C_GetFunctionList") : NULL;
        CK_RV rv = get ? get(&real) : GENERAL_ERROR;
        if (rv) return rv;
        ours = *real;
        ours.functions[GET_FUNCTION_LIST] = (void *)C_GetFunctionList;
#define PUT(place, function) ours.functions[place] = (void *)h_##function;
        HOOKS(PUT)
    }
    *out = &ours;
    return OK;
}
