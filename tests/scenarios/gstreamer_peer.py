"""A GStreamer pipeline as WHIP publisher or WHEP player: webrtcbin and a POST, as Debian's packages have them.

Prints one JSON line a second with what was encoded or decoded, until it is ended. Its own offer is what webrtcbin makes of its
pads; only the names of its streams are ours.
"""

import json
import ssl
import sys
import urllib.error
import urllib.request

import gi

gi.require_version("Gst", "1.0")
gi.require_version("GstSdp", "1.0")
gi.require_version("GstWebRTC", "1.0")
from gi.repository import GLib, Gst, GstSdp, GstWebRTC  # noqa: E402

PUBLISH = (
    "videotestsrc is-live=true pattern=ball ! video/x-raw,width=320,height=180,framerate=15/1 "
    "! vp8enc deadline=1 keyframe-max-dist=30 target-bitrate=300000 ! rtpvp8pay pt=96 picture-id-mode=15-bit "
    "! application/x-rtp,media=video,encoding-name=VP8,payload=96,clock-rate=90000 ! identity name=sent0 ! peer. "
    "audiotestsrc is-live=true freq=440 ! audioconvert ! audioresample ! opusenc ! rtpopuspay pt=111 "
    "! application/x-rtp,media=audio,encoding-name=OPUS,payload=111,clock-rate=48000,encoding-params=(string)2 "
    "! identity name=sent1 ! peer."
)


class Peer:
    def __init__(self, mode, url, token):
        self.url, self.token, self.counts = url, token, {}
        text = "webrtcbin name=peer bundle-policy=max-bundle"
        # In brackets it is a pipeline also where it is one element.
        self.pipeline = Gst.parse_launch(f"{text} {PUBLISH}" if mode == "publish" else f"pipeline. ( {text} )")
        self.peer = self.pipeline.get_by_name("peer")
        if mode == "publish":
            for n, name in enumerate(["video", "audio"]):
                probe = self.pipeline.get_by_name(f"sent{n}").get_static_pad("src")
                probe.add_probe(Gst.PadProbeType.BUFFER, self.count, name)
            for transceiver in self.transceivers():
                transceiver.set_property("direction", GstWebRTC.WebRTCRTPTransceiverDirection.SENDONLY)
        else:
            receive = GstWebRTC.WebRTCRTPTransceiverDirection.RECVONLY
            for caps in [
                "application/x-rtp,media=video,encoding-name=VP8,payload=96,clock-rate=90000",
                "application/x-rtp,media=audio,encoding-name=OPUS,payload=111,clock-rate=48000,encoding-params=(string)2",
            ]:
                self.peer.emit("add-transceiver", receive, Gst.Caps.from_string(caps))
            self.peer.connect("pad-added", self.on_pad)
        self.peer.connect("on-negotiation-needed", self.on_negotiation_needed)
        self.peer.connect("notify::ice-gathering-state", self.on_gathering)
        self.posted = False
        self.pipeline.set_state(Gst.State.PLAYING)

    def transceivers(self):
        n = 0
        while (transceiver := self.peer.emit("get-transceiver", n)) is not None:
            yield transceiver
            n += 1

    def count(self, _pad, _info, name):
        self.counts[name] = self.counts.get(name, 0) + 1
        return Gst.PadProbeReturn.OK

    def on_negotiation_needed(self, peer):
        peer.emit("create-offer", None, Gst.Promise.new_with_change_func(self.on_offer))

    def on_offer(self, promise):
        promise.wait()
        reply = promise.get_reply()
        self.peer.emit("set-local-description", reply.get_value("offer"), Gst.Promise.new())

    def on_gathering(self, peer, _property):
        if peer.get_property("ice-gathering-state") == GstWebRTC.WebRTCICEGatheringState.COMPLETE and not self.posted:
            self.posted = True
            GLib.idle_add(self.post)

    def post(self):
        sdp = self.peer.get_property("local-description").sdp.as_text()
        headers = {"content-type": "application/sdp", "authorization": f"Bearer {self.token}"}
        # The server's certificate is its own, made for this test.
        trust = ssl._create_unverified_context()
        request = urllib.request.Request(self.url, sdp.encode(), headers, method="POST")
        try:
            answer = urllib.request.urlopen(request, context=trust).read().decode()
        except urllib.error.HTTPError as error:
            say({"error": f"{error.code} {error.read().decode()}", "offer": sdp})
            return False
        _, message = GstSdp.SDPMessage.new_from_text(answer)
        description = GstWebRTC.WebRTCSessionDescription.new(GstWebRTC.WebRTCSDPType.ANSWER, message)
        self.peer.emit("set-remote-description", description, Gst.Promise.new())
        return False

    def on_pad(self, _peer, pad):
        name = pad.get_current_caps().get_structure(0).get_string("media")
        decode = "rtpvp8depay ! vp8dec" if name == "video" else "rtpopusdepay ! opusdec"
        part = Gst.parse_bin_from_description(f"queue ! {decode} ! fakesink name=sink sync=false", True)
        part.get_by_name("sink").get_static_pad("sink").add_probe(Gst.PadProbeType.BUFFER, self.count, name)
        self.pipeline.add(part)
        part.sync_state_with_parent()
        pad.link(part.get_static_pad("sink"))

    def report(self):
        state = self.peer.get_property("connection-state").value_nick
        say({"state": state, **self.counts})
        return True

    def on_message(self, _bus, message):
        if message.type == Gst.MessageType.ERROR:
            error, detail = message.parse_error()
            say({"error": f"{error.message} {detail}"})


def say(what):
    print(json.dumps(what), flush=True)


Gst.init(None)
running = Peer(*sys.argv[1:4])
bus = running.pipeline.get_bus()
bus.add_signal_watch()
bus.connect("message", running.on_message)
GLib.timeout_add(500, running.report)
GLib.MainLoop().run()
