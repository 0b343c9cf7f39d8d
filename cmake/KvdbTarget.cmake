# SPDX-License-Identifier: BSL-1.0
# Settings that every target of this project shares.

# Sanitizers have to reach every object and every link, so they are set for whole folders.
if(KVDB_SANITIZE)
    add_compile_options("-fsanitize=${KVDB_SANITIZE}" -fno-sanitize-recover=all -fno-omit-frame-pointer)
    add_link_options("-fsanitize=${KVDB_SANITIZE}")
endif()
if(KVDB_LIBFUZZER)
    # Comparisons are not traced: they would be mostly those of checksums, of no use to a mutator, at a quarter of the
    # time.
    add_compile_options(-fsanitize=fuzzer-no-link -fno-sanitize-coverage=trace-cmp)
endif()

function(kvdb_target_settings target)
    target_compile_features(${target} PUBLIC cxx_std_20)
    set_target_properties(${target} PROPERTIES
        CXX_EXTENSIONS OFF
        CXX_VISIBILITY_PRESET hidden
        VISIBILITY_INLINES_HIDDEN ON)
    target_compile_options(${target} PRIVATE -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wsign-conversion)
    if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU" AND CMAKE_CXX_COMPILER_VERSION VERSION_LESS 13)
        target_compile_options(${target} PRIVATE -Wno-restrict)  # false alarms on std::string's operator+ (GCC bug 105651)
    endif()
    if(KVDB_WERROR)
        target_compile_options(${target} PRIVATE -Werror)
    endif()
    # The level of every x86-64 server since 2009: SSSE3 for tag matching, popcnt.
    if(CMAKE_SYSTEM_PROCESSOR MATCHES "^(x86_64|AMD64|amd64)$")
        target_compile_options(${target} PRIVATE -march=x86-64-v2)
    endif()
endfunction()
