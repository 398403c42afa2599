locket_test(image_seal_tests
  SOURCES ${CMAKE_CURRENT_LIST_DIR}/accounts_test.cpp
    ${CMAKE_CURRENT_LIST_DIR}/chunk_ring_test.cpp
    ${CMAKE_CURRENT_LIST_DIR}/convert_layer_test.cpp
    ${CMAKE_CURRENT_LIST_DIR}/data_area_test.cpp
    ${CMAKE_CURRENT_LIST_DIR}/seal_layer_test.cpp
    ${CMAKE_CURRENT_LIST_DIR}/sealed_vectors_test.cpp
  DEPS locket_erofs locket_erofs_reader locket_image locket_image_seal nlohmann_json::nlohmann_json LABELS image)
