# SPDX-License-Identifier: BSL-1.0
# Builds the library by itself, installs it under a scratch prefix, moves that, and builds and runs the consumer
# against it: once through find_package, once through pkg-config.
# Takes -D kind=static|shared, source, work, generator, compiler, build_type.
cmake_minimum_required(VERSION 3.25)

set(consumer "${CMAKE_CURRENT_LIST_DIR}")
set(prefix "${work}/prefix")
file(REMOVE_RECURSE "${prefix}" "${work}/installed" "${work}/consumer")

function(run)
    execute_process(COMMAND ${ARGN} RESULT_VARIABLE status)
    if(NOT status EQUAL 0)
        message(FATAL_ERROR "failed (${status}): ${ARGN}")
    endif()
endfunction()

set(shared OFF)
if(kind STREQUAL "shared")
    set(shared ON)
endif()
set(toolchain -G "${generator}" "-DCMAKE_CXX_COMPILER=${compiler}" "-DCMAKE_BUILD_TYPE=${build_type}")

run("${CMAKE_COMMAND}" -S "${source}" -B "${work}/library" ${toolchain} -DBUILD_SHARED_LIBS=${shared}
    -DKVDB_BUILD_APP=OFF -DKVDB_BUILD_TESTS=OFF -DKVDB_BUILD_BENCH=OFF -DKVDB_BUILD_FUZZ=OFF)
run("${CMAKE_COMMAND}" --build "${work}/library" --parallel 2)
run("${CMAKE_COMMAND}" --install "${work}/library" --prefix "${work}/installed")
# A package that holds absolute paths breaks here.
file(RENAME "${work}/installed" "${prefix}")

file(GLOB_RECURSE installed RELATIVE "${prefix}" "${prefix}/*")
file(GLOB headers RELATIVE "${source}/lib/include" "${source}/lib/include/kvdb/*.hpp")
foreach(header IN LISTS headers)
    if(NOT "include/${header}" IN_LIST installed)
        message(FATAL_ERROR "not installed: ${header}")
    endif()
endforeach()
foreach(file IN LISTS installed)
    if(file MATCHES "\\.(hpp|cmake|pc)$")
        file(READ "${prefix}/${file}" text)
        if(text MATCHES "boost|Boost|xxh")
            message(FATAL_ERROR "${file} makes the consumer need Boost or xxHash")
        endif()
    endif()
endforeach()

run("${CMAKE_COMMAND}" -S "${consumer}" -B "${work}/consumer" ${toolchain} "-DCMAKE_PREFIX_PATH=${prefix}"
    -DCMAKE_DISABLE_FIND_PACKAGE_Boost=ON -DCMAKE_FIND_USE_PACKAGE_REGISTRY=OFF)
run("${CMAKE_COMMAND}" --build "${work}/consumer")
run("${work}/consumer/consumer" "${work}/by_cmake.kvdb")

file(GLOB_RECURSE pc_file "${prefix}/*/kvdb.pc")
cmake_path(GET pc_file PARENT_PATH pc_folder)
set(ENV{PKG_CONFIG_PATH} "${pc_folder}")
find_program(pkg_config pkg-config REQUIRED)
set(pkg_config_mode)
if(kind STREQUAL "static")
    set(pkg_config_mode --static)
endif()
execute_process(COMMAND "${pkg_config}" ${pkg_config_mode} --cflags --libs kvdb
    OUTPUT_VARIABLE flags OUTPUT_STRIP_TRAILING_WHITESPACE COMMAND_ERROR_IS_FATAL ANY)
separate_arguments(flags UNIX_COMMAND "${flags}")
run("${compiler}" -std=c++20 "${consumer}/main.cpp" -o "${work}/by_pkg_config" ${flags})
cmake_path(GET pc_folder PARENT_PATH library_folder)
run("${CMAKE_COMMAND}" -E env "LD_LIBRARY_PATH=${library_folder}" "${work}/by_pkg_config" "${work}/by_pc.kvdb")

# That the kind asked for is the kind that was used.
file(GLOB shared_objects "${library_folder}/libkvdb.so*")
if(shared AND NOT shared_objects OR shared_objects AND NOT shared)
    message(FATAL_ERROR "asked for a ${kind} library, found: ${installed}")
endif()
