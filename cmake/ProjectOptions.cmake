# locket_options: every flag of ours, in one INTERFACE target that each of our targets links and no
# third-party target ever sees.
add_library(locket_options INTERFACE)
target_compile_features(locket_options INTERFACE cxx_std_20)
target_compile_options(locket_options INTERFACE
  -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wold-style-cast -Wnon-virtual-dtor
  -Woverloaded-virtual -Wimplicit-fallthrough
  # The guest image is reproducible: no path of the build machine ends up in a binary.
  -ffile-prefix-map=${PROJECT_SOURCE_DIR}=. -ffile-prefix-map=${PROJECT_BINARY_DIR}=build)
# GCC 12 takes "text" + std::string() for overlapping memcpy at -O3 (gcc.gnu.org/PR105651).
target_compile_options(locket_options INTERFACE $<$<CXX_COMPILER_ID:GNU>:-Wno-restrict>)
target_include_directories(locket_options INTERFACE ${PROJECT_SOURCE_DIR} ${PROJECT_BINARY_DIR})
find_package(Threads REQUIRED)
target_link_libraries(locket_options INTERFACE Threads::Threads)

set(LOCKET_SANITIZERS "" CACHE STRING "Passed to -fsanitize=, for example address,undefined.")
if(LOCKET_SANITIZERS)
  target_compile_options(locket_options INTERFACE
    -fsanitize=${LOCKET_SANITIZERS} -fno-sanitize-recover=all -fno-omit-frame-pointer)
  target_link_options(locket_options INTERFACE -fsanitize=${LOCKET_SANITIZERS})
endif()

# locket_library(<target> SOURCES ... DEPS ... PRIVATE_DEPS ...): DEPS are those its headers show,
# PRIVATE_DEPS those only its .cpp files see.
function(locket_library name)
  cmake_parse_arguments(arg "" "" "SOURCES;DEPS;PRIVATE_DEPS" ${ARGN})
  add_library(${name} STATIC ${arg_SOURCES})
  target_link_libraries(${name} PUBLIC ${arg_DEPS} PRIVATE locket_options ${arg_PRIVATE_DEPS})
endfunction()

# locket_program(<binary> SOURCES ... DEPS ...): a program; its main.cpp only wires things up. All
# programs land in <build>/bin.
function(locket_program name)
  cmake_parse_arguments(arg "" "" "SOURCES;DEPS" ${ARGN})
  add_executable(${name} ${arg_SOURCES})
  target_link_libraries(${name} PRIVATE locket_options ${arg_DEPS})
  set_target_properties(${name} PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${PROJECT_BINARY_DIR}/bin)
endfunction()

# locket_test(<target> SOURCES ... DEPS ... PROGRAMS ... LABELS ...): a GoogleTest binary, each TEST a ctest test.
# PROGRAMS are built before it, because it starts them.
function(locket_test name)
  if(NOT BUILD_TESTING)
    return()
  endif()
  cmake_parse_arguments(arg "" "" "SOURCES;DEPS;PROGRAMS;LABELS" ${ARGN})
  add_executable(${name} ${arg_SOURCES})
  if(arg_PROGRAMS)
    add_dependencies(${name} ${arg_PROGRAMS})
  endif()
  target_link_libraries(${name} PRIVATE locket_options ${arg_DEPS} GTest::gmock_main)
  target_compile_definitions(${name} PRIVATE
    LOCKET_SOURCE_DIR="${PROJECT_SOURCE_DIR}" LOCKET_BINARY_DIR="${PROJECT_BINARY_DIR}")
  set(properties TIMEOUT 120 LABELS "${arg_LABELS}")
  if(LOCKET_SANITIZERS MATCHES thread)
    list(APPEND properties ENVIRONMENT
      TSAN_OPTIONS=suppressions=${PROJECT_SOURCE_DIR}/tests/tsan_suppressions.txt)
  endif()
  gtest_discover_tests(${name} DISCOVERY_TIMEOUT 60 PROPERTIES ${properties})
endfunction()

# locket_fuzz(<target> SOURCES ... DEPS ...): a libFuzzer binary. Its corpus, kept, is
# tests/fuzz/corpus/<target>/.
function(locket_fuzz name)
  if(NOT LOCKET_BUILD_FUZZERS)
    return()
  endif()
  cmake_parse_arguments(arg "" "" "SOURCES;DEPS" ${ARGN})
  add_executable(${name} ${arg_SOURCES})
  target_link_libraries(${name} PRIVATE locket_options ${arg_DEPS})
  target_link_options(${name} PRIVATE -fsanitize=fuzzer)
  set_target_properties(${name} PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${PROJECT_BINARY_DIR}/fuzz)
endfunction()
