export default function Home() { return <h1>Overview</h1>; }
