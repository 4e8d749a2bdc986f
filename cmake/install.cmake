# What an outside program needs: headers, both libraries, a pkg-config file.
install(TARGETS pinpipe pinpipe_static DESTINATION ${CMAKE_INSTALL_LIBDIR})
install(DIRECTORY include/pinpipe DESTINATION ${CMAKE_INSTALL_INCLUDEDIR})
configure_file(cmake/pinpipe.pc.in pinpipe.pc @ONLY)
install(FILES ${PROJECT_BINARY_DIR}/pinpipe.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)
