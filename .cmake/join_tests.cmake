# cmake -DTESTS=FILE,FILE -DSOURCE=FILE -P join_tests.cmake: writes a source that has these files of
# tests in it, each in a namespace of its own, as their helpers share names. What they include comes
# first, outside of all, where an include guard keeps it from coming again.
string(REPLACE "," ";" tests "${TESTS}")
set(includes "")
set(bodies "")
set(number 0)
foreach(test IN LISTS tests)
  file(STRINGS ${test} lines REGEX "^#include ")
  list(APPEND includes ${lines})
  string(APPEND bodies "namespace joined_${number} {\nnamespace sluice {\n"
         "using namespace ::sluice;\n}\n#include \"${test}\"\n}\n")
  math(EXPR number "${number} + 1")
endforeach()
list(REMOVE_DUPLICATES includes)
list(JOIN includes "\n" includes)
file(WRITE ${SOURCE} "${includes}\n\nnamespace sluice {}\n${bodies}")
