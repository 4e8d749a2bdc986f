# What an outside program needs: headers, both libraries, a pkg-config file and CMake package files. The installed
# tree may be moved as a whole: nothing in it names the prefix.
include(CMakePackageConfigHelpers)
if(IS_ABSOLUTE "${CMAKE_INSTALL_LIBDIR}" OR IS_ABSOLUTE "${CMAKE_INSTALL_INCLUDEDIR}")
  message(FATAL_ERROR "CMAKE_INSTALL_LIBDIR and CMAKE_INSTALL_INCLUDEDIR are relative to the prefix")
endif()

install(DIRECTORY include/pinpipe DESTINATION ${CMAKE_INSTALL_INCLUDEDIR} COMPONENT development)

file(RELATIVE_PATH pinpipe_up_to_prefix /prefix/${CMAKE_INSTALL_LIBDIR}/pkgconfig /prefix)
string(REGEX REPLACE "/$" "" pinpipe_up_to_prefix "${pinpipe_up_to_prefix}")
# Not Requires.private: `pkg-config --static` would then also want the static parts of libcurl's own libraries,
# which distributions do not install; libpinpipe.a is linked with the shared libraries named here.
list(JOIN pinpipe_private_flags " " pinpipe_private_libs)
configure_file(cmake/pinpipe.pc.in pinpipe.pc @ONLY)
install(FILES ${PROJECT_BINARY_DIR}/pinpipe.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig COMPONENT development)

# Two export sets, because only the static library makes its user link what it stands on.
set(pinpipe_cmake_dir ${CMAKE_INSTALL_LIBDIR}/cmake/pinpipe)
foreach(target pinpipe pinpipe_static)
  install(TARGETS ${target} EXPORT ${target}_targets
          LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR} COMPONENT runtime NAMELINK_COMPONENT development
          ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR} COMPONENT development
          INCLUDES DESTINATION ${CMAKE_INSTALL_INCLUDEDIR})
  install(EXPORT ${target}_targets NAMESPACE pinpipe:: FILE ${target}_targets.cmake DESTINATION ${pinpipe_cmake_dir}
          COMPONENT development)
endforeach()
list(TRANSFORM pinpipe_static_modules REPLACE "(.+)" "\"\\1\"")
list(JOIN pinpipe_static_modules " " pinpipe_static_items)
configure_package_config_file(cmake/pinpipeConfig.cmake.in pinpipeConfig.cmake
                              INSTALL_DESTINATION ${pinpipe_cmake_dir} NO_SET_AND_CHECK_MACRO)
write_basic_package_version_file(pinpipeConfigVersion.cmake COMPATIBILITY SameMinorVersion)
install(FILES ${PROJECT_BINARY_DIR}/pinpipeConfig.cmake ${PROJECT_BINARY_DIR}/pinpipeConfigVersion.cmake
        DESTINATION ${pinpipe_cmake_dir} COMPONENT development)
