# Sealing of one layer, apart from the rest of image/: it brings the writer of EROFS images and the
# decompressors, which the guest has no use for.
locket_library(locket_image_seal
  SOURCES chunk_ring.cpp convert_layer.cpp data_area.cpp layer_accounts.cpp seal_layer.cpp
  DEPS locket_base locket_image locket_verity
  PRIVATE_DEPS locket_erofs locket_erofs_reader)
