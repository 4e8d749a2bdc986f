# What an outside program needs: headers, both libraries, a pkg-config file that moves with the tree.
install(TARGETS pinpipe pinpipe_static DESTINATION ${CMAKE_INSTALL_LIBDIR})
install(DIRECTORY include/pinpipe DESTINATION ${CMAKE_INSTALL_INCLUDEDIR})

file(RELATIVE_PATH pinpipe_up_to_prefix /prefix/${CMAKE_INSTALL_LIBDIR}/pkgconfig /prefix)
string(REGEX REPLACE "/$" "" pinpipe_up_to_prefix "${pinpipe_up_to_prefix}")
# Not Requires.private: `pkg-config --static` would then also want the static parts of libcurl's own libraries,
# which distributions do not install; libpinpipe.a is linked with the shared libraries named here.
list(JOIN pinpipe_private_flags " " pinpipe_private_libs)
configure_file(cmake/pinpipe.pc.in pinpipe.pc @ONLY)
install(FILES ${PROJECT_BINARY_DIR}/pinpipe.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)
