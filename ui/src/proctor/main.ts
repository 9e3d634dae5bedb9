import '../common/tokens.css';
import '../common/base.css';
import './proctor.css';
import { proctorBackend } from '../common/backend';
import { start } from '../common/start';
import App from './App.svelte';

const backend = proctorBackend();
void start(backend, App, () => void backend.command({ do: 'decode_in_rust' }));
