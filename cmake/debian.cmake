# Debian packages by CPack: libpinpipe0 has the shared library, libpinpipe-dev headers, static library and examples.
# Each has the copyright and the changelog that Debian's policy wants beside it; what they depend on is found by
# dpkg-shlibdeps, and programs that link the library get its dependency from the shlibs file.
set(CPACK_GENERATOR DEB)
set(CPACK_PACKAGE_NAME pinpipe)
set(CPACK_PACKAGE_CONTACT "libpinpipe maintainers <maintainers@pinpipe.example>")
set(CPACK_PACKAGE_FILE_NAME pinpipe-${PROJECT_VERSION})
set(CPACK_COMPONENTS_ALL runtime development)
set(CPACK_STRIP_FILES ON)
set(CPACK_DEB_COMPONENT_INSTALL ON)
set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_DEBIAN_PACKAGE_PRIORITY optional)
set(CPACK_DEBIAN_PACKAGE_GENERATE_SHLIBS ON)
set(CPACK_DEBIAN_PACKAGE_GENERATE_SHLIBS_POLICY ">=")
set(CPACK_DEBIAN_PACKAGE_CONTROL_STRICT_PERMISSION ON)

set(CPACK_DEBIAN_RUNTIME_PACKAGE_NAME libpinpipe0)
set(CPACK_DEBIAN_RUNTIME_PACKAGE_SECTION libs)
set(CPACK_DEBIAN_RUNTIME_PACKAGE_SHLIBDEPS ON)
set(CPACK_DEBIAN_RUNTIME_PACKAGE_CONTROL_EXTRA ${PROJECT_SOURCE_DIR}/cmake/debian/triggers)
set(CPACK_COMPONENT_RUNTIME_DESCRIPTION "Pinterest data pipeline in one C library
Records of pins, geolocations and users, their cleaning with a census and
rejects, clients of Kafka, Kinesis and S3, and AWS signatures, for programs
that bring their own loop. This package has the shared library.")

set(CPACK_DEBIAN_DEVELOPMENT_PACKAGE_NAME libpinpipe-dev)
set(CPACK_DEBIAN_DEVELOPMENT_PACKAGE_SECTION libdevel)
set(CPACK_DEBIAN_DEVELOPMENT_PACKAGE_DEPENDS "libpinpipe0 (= ${PROJECT_VERSION})")
# of the static library alone
set(CPACK_DEBIAN_DEVELOPMENT_PACKAGE_RECOMMENDS
    "libcurl4-openssl-dev, libexpat1-dev, libisal-dev, libjansson-dev, libmicrohttpd-dev, librdkafka-dev, libssl-dev, libzstd-dev, pkg-config, zlib1g-dev")
set(CPACK_COMPONENT_DEVELOPMENT_DESCRIPTION "Pinterest data pipeline in one C library (development files)
Headers, the static library, files for pkg-config and CMake, and examples
for programs that link libpinpipe.")
include(CPack)

find_program(GZIP_PROGRAM NAMES gzip REQUIRED)
string(TIMESTAMP pinpipe_package_date "%a, %d %b %Y %H:%M:%S +0000" UTC)
file(READ LICENSE pinpipe_license)
string(REGEX MATCH "Copyright \\(c\\) ([^\n]*)" found "${pinpipe_license}")
set(pinpipe_copyright "${CMAKE_MATCH_1}")
string(REGEX REPLACE "^.*authors\n\n|\n$" "" pinpipe_license "${pinpipe_license}")
string(REPLACE "\n\n" "\n.\n" pinpipe_license "${pinpipe_license}")
string(REPLACE "\n" "\n " pinpipe_license " ${pinpipe_license}")
set(component_of_libpinpipe0 runtime)
set(component_of_libpinpipe-dev development)
foreach(package libpinpipe0 libpinpipe-dev)
  set(beside ${PROJECT_BINARY_DIR}/debian/${package})
  configure_file(cmake/debian/changelog.in ${beside}/changelog @ONLY)
  execute_process(COMMAND ${GZIP_PROGRAM} -9nf ${beside}/changelog COMMAND_ERROR_IS_FATAL ANY)
  configure_file(cmake/debian/copyright.in ${beside}/copyright @ONLY)
  install(FILES ${beside}/copyright ${beside}/changelog.gz DESTINATION share/doc/${package}
          COMPONENT ${component_of_${package}})
endforeach()
install(FILES cmake/debian/lintian-overrides DESTINATION share/lintian/overrides RENAME libpinpipe0 COMPONENT runtime)
install(DIRECTORY examples/c/ DESTINATION share/doc/libpinpipe-dev/examples COMPONENT development)
