# The interface library drawdown_flags: language, warnings, hardening, sanitizers.

include(CheckCCompilerFlag)
include(CheckPIESupported)

set(CMAKE_C_STANDARD 17)
set(CMAKE_C_STANDARD_REQUIRED ON)
set(CMAKE_C_EXTENSIONS OFF)
set(CMAKE_POSITION_INDEPENDENT_CODE ON)
check_pie_supported(LANGUAGES C)

if(NOT CMAKE_BUILD_TYPE)
    set(CMAKE_BUILD_TYPE RelWithDebInfo)
endif()

# Assertions guard the money: they stay on in every build type.
foreach(type RELEASE RELWITHDEBINFO MINSIZEREL)
    string(REPLACE "-DNDEBUG" "" CMAKE_C_FLAGS_${type} "${CMAKE_C_FLAGS_${type}}")
endforeach()

set(warnings
    -Wall -Wextra           # the compilers' own choice
    -Wconversion            # an amount or a size must not lose bits in silence
    -Wno-sign-conversion    # but char against unsigned char is everywhere in the libraries' interfaces
    -Wdouble-promotion      # a double near an amount is a bug
    -Wfloat-conversion      # the same
    -Wshadow                # two things of one name in one function
    -Wstrict-prototypes     # f() accepts anything
    -Wmissing-prototypes    # what no header declares is static
    -Wwrite-strings         # literals are const
    -Wpointer-arith         # no arithmetic on void pointers
    -Wundef                 # a misspelt macro is not 0
    -Wvla                   # the stack has a bound
    -Wformat=2              # formats are literals, so that they are checked
    -Wimplicit-fallthrough  # a missing break
    -Wlogical-op            # gcc: "x && 4" where "x & 4" was meant
    -Wduplicated-cond       # gcc: the same condition twice in an if-else chain
    -Wduplicated-branches)  # gcc: both branches the same

set(hardening
    -fstack-protector-strong  # overrun of a buffer on the stack
    -fstack-clash-protection  # a frame that jumps the guard page
    -fcf-protection)          # jumps to where no function begins (x86)

add_library(drawdown_flags INTERFACE)
foreach(flag ${warnings} ${hardening})
    string(MAKE_C_IDENTIFIER "has${flag}" has_flag)
    check_c_compiler_flag("-Werror ${flag}" ${has_flag})
    if(${has_flag})
        target_compile_options(drawdown_flags INTERFACE ${flag})
    endif()
endforeach()
if(DRAWDOWN_WERROR)
    target_compile_options(drawdown_flags INTERFACE -Werror)
endif()

target_compile_definitions(drawdown_flags INTERFACE _GNU_SOURCE)
target_compile_options(drawdown_flags INTERFACE -include "${CMAKE_CURRENT_SOURCE_DIR}/include/drawdown/poison.h")
target_link_options(drawdown_flags INTERFACE -Wl,-z,relro,-z,now,-z,noexecstack)

if(DRAWDOWN_SANITIZE)
    target_compile_options(drawdown_flags INTERFACE
        -fsanitize=${DRAWDOWN_SANITIZE} -fno-sanitize-recover=all -fno-omit-frame-pointer)
    target_link_options(drawdown_flags INTERFACE -fsanitize=${DRAWDOWN_SANITIZE})
elseif(NOT CMAKE_BUILD_TYPE STREQUAL "Debug")
    # needs optimisation, and hides from the sanitizers what they should see
    target_compile_options(drawdown_flags INTERFACE -U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=3)
endif()
if(DRAWDOWN_FAILPOINTS)
    target_compile_definitions(drawdown_flags INTERFACE DRAWDOWN_FAILPOINTS)
endif()
if(DRAWDOWN_COVERAGE)
    target_compile_options(drawdown_flags INTERFACE --coverage)
    target_link_options(drawdown_flags INTERFACE --coverage)
endif()
