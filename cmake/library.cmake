# The library: sources by folder, what each part links, shared and static from the same objects.
# What it links is GLOBAL, so that a project that has this one as a subdirectory can link the static library.
find_package(PkgConfig REQUIRED)
pkg_check_modules(pinpipe_crypto REQUIRED IMPORTED_TARGET GLOBAL libcrypto)
pkg_check_modules(pinpipe_jansson REQUIRED IMPORTED_TARGET GLOBAL jansson)
if(PINPIPE_WITH_ISAL)
  pkg_check_modules(pinpipe_isal IMPORTED_TARGET GLOBAL libisal) # without it CRC-32 and CRC-32C go by tables, gzip by zlib
endif()
pkg_check_modules(pinpipe_zlib REQUIRED IMPORTED_TARGET GLOBAL zlib)
pkg_check_modules(pinpipe_zstd REQUIRED IMPORTED_TARGET GLOBAL libzstd)
pkg_check_modules(xxhash REQUIRED IMPORTED_TARGET GLOBAL libxxhash) # its header only: the hash is inlined

set(pinpipe_folders base text schema record codec clean aws io)
set(pinpipe_links PkgConfig::pinpipe_crypto PkgConfig::pinpipe_jansson PkgConfig::pinpipe_zlib PkgConfig::pinpipe_zstd m
    Threads::Threads)
set(pinpipe_private_flags ${pinpipe_crypto_LDFLAGS} ${pinpipe_jansson_LDFLAGS} ${pinpipe_zlib_LDFLAGS}
    ${pinpipe_zstd_LDFLAGS})
set(pinpipe_static_modules "crypto libcrypto" "jansson jansson" "zlib zlib" "zstd libzstd") # what pinpipeConfig.cmake looks for, as pkg_check_modules wants it
find_package(Threads REQUIRED GLOBAL)
if(pinpipe_isal_FOUND)
  list(APPEND pinpipe_links PkgConfig::pinpipe_isal)
  list(APPEND pinpipe_private_flags ${pinpipe_isal_LDFLAGS})
  list(APPEND pinpipe_static_modules "isal libisal")
endif()
if(PINPIPE_WITH_S3)
  pkg_check_modules(pinpipe_curl REQUIRED IMPORTED_TARGET GLOBAL libcurl>=7.88)
  pkg_check_modules(pinpipe_expat REQUIRED IMPORTED_TARGET GLOBAL expat)
  pkg_check_modules(pinpipe_ssl REQUIRED IMPORTED_TARGET GLOBAL libssl) # libcurl's TLS, to set its connections
  list(APPEND pinpipe_links PkgConfig::pinpipe_curl PkgConfig::pinpipe_expat PkgConfig::pinpipe_ssl)
  list(APPEND pinpipe_private_flags ${pinpipe_curl_LDFLAGS} ${pinpipe_expat_LDFLAGS} ${pinpipe_ssl_LDFLAGS})
  list(APPEND pinpipe_static_modules "curl libcurl>=7.88" "expat expat" "ssl libssl")
endif()
if(PINPIPE_WITH_KAFKA)
  pkg_check_modules(pinpipe_rdkafka REQUIRED IMPORTED_TARGET GLOBAL rdkafka>=2.0.2)
  list(APPEND pinpipe_links PkgConfig::pinpipe_rdkafka)
  list(APPEND pinpipe_private_flags ${pinpipe_rdkafka_LDFLAGS})
  list(APPEND pinpipe_static_modules "rdkafka rdkafka>=2.0.2")
endif()
if(PINPIPE_WITH_GATEWAY)
  pkg_check_modules(pinpipe_microhttpd REQUIRED IMPORTED_TARGET GLOBAL libmicrohttpd>=0.9.75)
  list(APPEND pinpipe_links PkgConfig::pinpipe_microhttpd)
  list(APPEND pinpipe_private_flags ${pinpipe_microhttpd_LDFLAGS})
  list(APPEND pinpipe_static_modules "microhttpd libmicrohttpd>=0.9.75")
endif()
list(APPEND pinpipe_folders s3 kafka rest kinesis gateway pipeline)

set(pinpipe_sources)
foreach(folder IN LISTS pinpipe_folders)
  file(GLOB found CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/libpinpipe/${folder}/*.c)
  list(APPEND pinpipe_sources ${found})
endforeach()

add_library(pinpipe_objects OBJECT ${pinpipe_sources})
if(CMAKE_SYSTEM_PROCESSOR MATCHES "x86_64|AMD64")
  # the one file that is compiled for more than the base instructions; it asks the machine before it is used
  set_source_files_properties(${PROJECT_SOURCE_DIR}/libpinpipe/clean/fast_avx2.c PROPERTIES COMPILE_OPTIONS "-mavx2;-mbmi")
endif()
target_include_directories(pinpipe_objects PUBLIC ${PROJECT_SOURCE_DIR}/include PRIVATE ${PROJECT_SOURCE_DIR}/libpinpipe)
target_compile_definitions(pinpipe_objects PRIVATE
  PINPIPE_WITH_KAFKA=$<BOOL:${PINPIPE_WITH_KAFKA}> PINPIPE_WITH_S3=$<BOOL:${PINPIPE_WITH_S3}>
  PINPIPE_WITH_KINESIS=$<BOOL:${PINPIPE_WITH_KINESIS}> PINPIPE_WITH_GATEWAY=$<BOOL:${PINPIPE_WITH_GATEWAY}>
  PINPIPE_WITH_ISAL=$<BOOL:${pinpipe_isal_FOUND}>)
target_link_libraries(pinpipe_objects PRIVATE pinpipe_warnings ${pinpipe_links})
target_include_directories(pinpipe_objects SYSTEM PRIVATE ${xxhash_INCLUDE_DIRS})

add_library(pinpipe_static STATIC $<TARGET_OBJECTS:pinpipe_objects>)
target_link_libraries(pinpipe_static PUBLIC ${pinpipe_links})
set_target_properties(pinpipe_static PROPERTIES OUTPUT_NAME pinpipe)

add_library(pinpipe SHARED $<TARGET_OBJECTS:pinpipe_objects>)
target_link_libraries(pinpipe PRIVATE ${pinpipe_links})
target_link_options(pinpipe PRIVATE -Wl,--version-script=${PROJECT_SOURCE_DIR}/libpinpipe/pinpipe.map)
set_target_properties(pinpipe PROPERTIES VERSION ${PROJECT_VERSION} SOVERSION 0
                      LINK_DEPENDS ${PROJECT_SOURCE_DIR}/libpinpipe/pinpipe.map)

foreach(target pinpipe pinpipe_static)
  target_include_directories(${target} PUBLIC $<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}/include>)
  add_library(pinpipe::${target} ALIAS ${target}) # the names that pinpipeConfig.cmake gives an outside program
endforeach()
