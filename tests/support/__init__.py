"""What tests share: hubs and servers in processes of their own."""
