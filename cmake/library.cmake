# The library: sources by folder, what each part links, shared and static from the same objects.
find_package(PkgConfig REQUIRED)
pkg_check_modules(crypto REQUIRED IMPORTED_TARGET libcrypto)
pkg_check_modules(xxhash REQUIRED IMPORTED_TARGET libxxhash) # its header only: the hash is inlined

set(pinpipe_folders base text schema record codec clean aws io)
set(pinpipe_links PkgConfig::crypto m Threads::Threads)
set(pinpipe_private_flags ${crypto_LDFLAGS})
find_package(Threads REQUIRED)
if(PINPIPE_WITH_S3)
  pkg_check_modules(curl REQUIRED IMPORTED_TARGET libcurl>=7.88)
  pkg_check_modules(expat REQUIRED IMPORTED_TARGET expat)
  list(APPEND pinpipe_links PkgConfig::curl PkgConfig::expat)
  list(APPEND pinpipe_private_flags ${curl_LDFLAGS} ${expat_LDFLAGS})
endif()
if(PINPIPE_WITH_KAFKA)
  pkg_check_modules(rdkafka REQUIRED IMPORTED_TARGET rdkafka>=2.0.2)
  list(APPEND pinpipe_links PkgConfig::rdkafka)
  list(APPEND pinpipe_private_flags ${rdkafka_LDFLAGS})
endif()
list(APPEND pinpipe_folders s3 kafka pipeline)

set(pinpipe_sources)
foreach(folder IN LISTS pinpipe_folders)
  file(GLOB found CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/libpinpipe/${folder}/*.c)
  list(APPEND pinpipe_sources ${found})
endforeach()

add_library(pinpipe_objects OBJECT ${pinpipe_sources})
target_include_directories(pinpipe_objects PUBLIC ${PROJECT_SOURCE_DIR}/include PRIVATE ${PROJECT_SOURCE_DIR}/libpinpipe)
target_compile_definitions(pinpipe_objects PRIVATE
  PINPIPE_WITH_KAFKA=$<BOOL:${PINPIPE_WITH_KAFKA}> PINPIPE_WITH_S3=$<BOOL:${PINPIPE_WITH_S3}>)
target_link_libraries(pinpipe_objects PRIVATE pinpipe_warnings ${pinpipe_links})
target_include_directories(pinpipe_objects SYSTEM PRIVATE ${xxhash_INCLUDE_DIRS})

add_library(pinpipe_static STATIC)
target_link_libraries(pinpipe_static PUBLIC pinpipe_objects ${pinpipe_links})
set_target_properties(pinpipe_static PROPERTIES OUTPUT_NAME pinpipe)

add_library(pinpipe SHARED)
target_link_libraries(pinpipe PUBLIC pinpipe_objects PRIVATE ${pinpipe_links})
target_link_options(pinpipe PRIVATE -Wl,--version-script=${PROJECT_SOURCE_DIR}/libpinpipe/pinpipe.map)
set_target_properties(pinpipe PROPERTIES VERSION ${PROJECT_VERSION} SOVERSION 0
                      LINK_DEPENDS ${PROJECT_SOURCE_DIR}/libpinpipe/pinpipe.map)
