import unittest

from peers import CONFIGS, PEERS
from render import render


class Render(unittest.TestCase):
    TEMPLATE = "# a comment\nport @PORT@\n#if tls\ntls\n#if h2\nh2\n#end\n#else\nplain\n#end\n"

    def test_blocks_and_values(self):
        self.assertEqual(render(self.TEMPLATE, (), {"PORT": 1}), "# a comment\nport 1\nplain\n")
        self.assertEqual(render(self.TEMPLATE, {"tls"}, {"PORT": 1}), "# a comment\nport 1\ntls\n")
        self.assertEqual(render(self.TEMPLATE, {"tls", "h2"}, {"PORT": 1}), "# a comment\nport 1\ntls\nh2\n")

    def test_a_block_without_an_end(self):
        with self.assertRaises(ValueError):
            render("#if tls\n", (), {})

    def test_every_peer_has_a_template_with_whole_blocks(self):
        class Anything(dict):
            def __missing__(self, _):
                return ""

        for peer in PEERS.values():
            self.assertTrue(render((CONFIGS / peer.template).read_text(), peer.properties, Anything()))


if __name__ == "__main__":
    unittest.main()
