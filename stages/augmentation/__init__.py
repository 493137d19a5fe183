"""What training shows the network: each image turned, cropped, recoloured and worn at random."""
