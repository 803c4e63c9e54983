# The system user that workers run as (the directive `user`), made by `make install` where root
# installs into the living system and it is not there yet.
if(NOT "$ENV{DESTDIR}" STREQUAL "")
  return()  # a package makes it when it is installed
endif()
execute_process(COMMAND id -u OUTPUT_VARIABLE installer OUTPUT_STRIP_TRAILING_WHITESPACE)
if(NOT installer STREQUAL "0")
  return()
endif()
execute_process(COMMAND id -u sluice RESULT_VARIABLE missing OUTPUT_QUIET ERROR_QUIET)
if(missing EQUAL 0)
  return()
endif()
execute_process(COMMAND useradd --system --user-group --no-create-home --home-dir /nonexistent
                        --shell /usr/sbin/nologin sluice
                RESULT_VARIABLE failed)
if(failed EQUAL 0)
  message(STATUS "Made the system user sluice, whom workers run as")
else()
  message(STATUS "Could not make the system user sluice: workers will run as nobody")
endif()
