/** The signs of the brief, by meaning: one sign, one meaning. */
import ArrowLeft from '@lucide/svelte/icons/arrow-left';
import ArrowLeftRight from '@lucide/svelte/icons/arrow-left-right';
import ArrowRight from '@lucide/svelte/icons/arrow-right';
import Check from '@lucide/svelte/icons/check';
import ChevronDown from '@lucide/svelte/icons/chevron-down';
import ChevronLeft from '@lucide/svelte/icons/chevron-left';
import ChevronRight from '@lucide/svelte/icons/chevron-right';
import Circle from '@lucide/svelte/icons/circle';
import CircleAlert from '@lucide/svelte/icons/circle-alert';
import CircleCheck from '@lucide/svelte/icons/circle-check';
import CircleDashed from '@lucide/svelte/icons/circle-dashed';
import CircleDot from '@lucide/svelte/icons/circle-dot';
import CircleUserRound from '@lucide/svelte/icons/circle-user-round';
import CircleX from '@lucide/svelte/icons/circle-x';
import Clock from '@lucide/svelte/icons/clock';
import CloudOff from '@lucide/svelte/icons/cloud-off';
import Copy from '@lucide/svelte/icons/copy';
import Diamond from '@lucide/svelte/icons/diamond';
import ExternalLink from '@lucide/svelte/icons/external-link';
import Eye from '@lucide/svelte/icons/eye';
import EyeOff from '@lucide/svelte/icons/eye-off';
import FileCheck from '@lucide/svelte/icons/file-check';
import Fingerprint from '@lucide/svelte/icons/fingerprint-pattern';
import Flag from '@lucide/svelte/icons/flag';
import Gauge from '@lucide/svelte/icons/gauge';
import Hand from '@lucide/svelte/icons/hand';
import Headphones from '@lucide/svelte/icons/headphones';
import Hourglass from '@lucide/svelte/icons/hourglass';
import ImageOff from '@lucide/svelte/icons/image-off';
import Inbox from '@lucide/svelte/icons/inbox';
import Keyboard from '@lucide/svelte/icons/keyboard';
import LayoutGrid from '@lucide/svelte/icons/layout-grid';
import Link2 from '@lucide/svelte/icons/link-2';
import Link2Off from '@lucide/svelte/icons/link-2-off';
import ListChecks from '@lucide/svelte/icons/list-checks';
import Loader from '@lucide/svelte/icons/loader';
import LogIn from '@lucide/svelte/icons/log-in';
import LogOut from '@lucide/svelte/icons/log-out';
import MessageSquare from '@lucide/svelte/icons/message-square';
import MessageSquareWarning from '@lucide/svelte/icons/message-square-warning';
import Megaphone from '@lucide/svelte/icons/megaphone';
import Mic from '@lucide/svelte/icons/mic';
import MicOff from '@lucide/svelte/icons/mic-off';
import Minus from '@lucide/svelte/icons/minus';
import Lock from '@lucide/svelte/icons/lock';
import Monitor from '@lucide/svelte/icons/monitor';
import MonitorCheck from '@lucide/svelte/icons/monitor-check';
import MonitorOff from '@lucide/svelte/icons/monitor-off';
import Moon from '@lucide/svelte/icons/moon';
import OctagonAlert from '@lucide/svelte/icons/octagon-alert';
import PanelLeftClose from '@lucide/svelte/icons/panel-left-close';
import PanelLeftOpen from '@lucide/svelte/icons/panel-left-open';
import PanelRightClose from '@lucide/svelte/icons/panel-right-close';
import PanelRightOpen from '@lucide/svelte/icons/panel-right-open';
import Pause from '@lucide/svelte/icons/pause';
import Pencil from '@lucide/svelte/icons/pencil';
import Play from '@lucide/svelte/icons/play';
import Plus from '@lucide/svelte/icons/plus';
import Radio from '@lucide/svelte/icons/radio';
import RotateCw from '@lucide/svelte/icons/rotate-cw';
import Scale from '@lucide/svelte/icons/scale';
import Send from '@lucide/svelte/icons/send';
import Server from '@lucide/svelte/icons/server';
import ShieldCheck from '@lucide/svelte/icons/shield-check';
import SkipForward from '@lucide/svelte/icons/skip-forward';
import Snowflake from '@lucide/svelte/icons/snowflake';
import Sun from '@lucide/svelte/icons/sun';
import TestPicture from '@lucide/svelte/icons/flask-conical';
import TriangleAlert from '@lucide/svelte/icons/triangle-alert';
import Upload from '@lucide/svelte/icons/upload';
import UserRoundPlus from '@lucide/svelte/icons/user-round-plus';
import UserRoundX from '@lucide/svelte/icons/user-round-x';
import Users from '@lucide/svelte/icons/users';
import Video from '@lucide/svelte/icons/video';
import VideoOff from '@lucide/svelte/icons/video-off';
import WifiOff from '@lucide/svelte/icons/wifi-off';
import X from '@lucide/svelte/icons/x';

export const icons = {
  account: CircleUserRound,
  alert: CircleAlert,
  back: ArrowLeft,
  broadcast: Megaphone,
  broken: Link2Off,
  camera: Video,
  cameraOff: VideoOff,
  check: Check,
  clock: Clock,
  cloudOff: CloudOff,
  copy: Copy,
  cross: X,
  down: ChevronDown,
  edit: Pencil,
  empty: Inbox,
  external: ExternalLink,
  eye: Eye,
  eyeOff: EyeOff,
  failed: CircleX,
  finished: Flag,
  fingerprint: Fingerprint,
  forward: ArrowRight,
  frozen: Snowflake,
  grid: LayoutGrid,
  hand: Hand,
  headphones: Headphones,
  high: OctagonAlert,
  info: Circle,
  invite: UserRoundPlus,
  joined: LogIn,
  keyboard: Keyboard,
  left: ChevronLeft,
  leftClose: PanelLeftClose,
  leftOpen: PanelLeftOpen,
  link: Link2,
  live: CircleDot,
  loading: Loader,
  low: Diamond,
  lock: Lock,
  lost: WifiOff,
  medium: TriangleAlert,
  message: MessageSquare,
  minus: Minus,
  microphone: Mic,
  microphoneOff: MicOff,
  moon: Moon,
  next: SkipForward,
  noPicture: ImageOff,
  notHere: CircleDashed,
  ok: CircleCheck,
  pause: Pause,
  people: Users,
  plus: Plus,
  radio: Radio,
  read: FileCheck,
  replay: RotateCw,
  resume: Play,
  right: ChevronRight,
  rightClose: PanelRightClose,
  rightOpen: PanelRightOpen,
  scale: Scale,
  screen: Monitor,
  screenCheck: MonitorCheck,
  screenOff: MonitorOff,
  send: Send,
  server: Server,
  shield: ShieldCheck,
  signals: ListChecks,
  signOut: LogOut,
  slow: Gauge,
  sun: Sun,
  swap: ArrowLeftRight,
  test: TestPicture,
  unassigned: UserRoundX,
  upload: Upload,
  waiting: Hourglass,
  warning: MessageSquareWarning,
} as const;

export type IconName = keyof typeof icons;
